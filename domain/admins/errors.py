"""What is refused to LoyalNest's own staff, and to those who would like to be taken for it."""

from domain.errors import Kind, LoyaltyError


class LogInRefused(LoyaltyError):
    """One answer for everything that can be wrong with a log-in, so that it tells nobody whether
    an account exists, is disabled, or has been tried too often."""

    code = "LOG_IN_REFUSED"
    kind = Kind.UNAUTHENTICATED
    title = "This log-in is not right, or was tried too often; wait a little and try again."


class InvitationSpent(LoyaltyError):
    """Used, withdrawn, replaced by a newer one, expired, or never made: not told apart."""

    code = "INVITATION_SPENT"
    kind = Kind.NOT_FOUND
    title = "This invitation does not hold any more; ask for a new one."


class AdminExists(LoyaltyError):
    code = "ADMIN_EXISTS"
    kind = Kind.CONFLICT
    title = "Somebody with this e-mail address is an admin already."


class LastSuperadmin(LoyaltyError):
    code = "LAST_SUPERADMIN"
    kind = Kind.CONFLICT
    title = "LoyalNest keeps at least one superadmin who can log in."


class CannotImpersonate(LoyaltyError):
    code = "CANNOT_IMPERSONATE"
    kind = Kind.FORBIDDEN
    title = "Your role does not let you act as this role of a shop."


class ShopNotActive(LoyaltyError):
    code = "SHOP_NOT_ACTIVE"
    kind = Kind.REFUSED
    title = "This shop is suspended or has removed the app; nobody acts for it."


class SecretShown(LoyaltyError):
    code = "SECRET_SHOWN"
    kind = Kind.CONFLICT
    title = "This was shown once already; log in again to get another."
