"""Admins: LoyalNest's own staff, how they log in and who looks after whom."""

from enum import StrEnum
from typing import Final
from uuid import UUID

from contracts.kit import (
    AUTHENTICATED,
    INTERNAL,
    PUBLIC,
    Body,
    Contracts,
    Event,
    Idempotency,
    Instant,
    Operation,
    Page,
    Request,
    Response,
    get,
    post,
)
from contracts.sessions import TokenPair
from domain.admins.errors import (
    AdminExists,
    InvitationSpent,
    LastSuperadmin,
    LogInRefused,
    SecretShown,
)
from domain.errors import Busy, Forbidden, InvalidRequest, NotFound, Unavailable
from domain.limits import Rate
from domain.rbac import FULL

_AUTH: Final = "auth"
_LOG_INS: Final = Rate(60, 60)
"""Of one address: more than an office needs, and little of the work that passwords are."""


# --- logging in --------------------------------------------------------------------------------


class LogInAdmin(Request, frozen=True, kw_only=True):
    """The first factor. ``device_token`` is what a log-in from this device answered before; with it
    nothing that strangers do keeps its owner out."""

    email: str
    password: str
    device_token: str = ""


class AdminChallenge(Response, frozen=True, kw_only=True):
    """The first factor was right; ``challenge`` is a secret that stands for that until
    ``expires_at``. ``step`` is what comes next: "code", or "enrol" where there is no authenticator
    yet, which then has to be set up first."""

    challenge: str
    step: str
    expires_at: Instant


LOG_IN_ADMIN: Final = Operation(
    "auth.v1.LogInAdmin",
    LogInAdmin,
    AdminChallenge,
    permission=PUBLIC,
    summary="The first of two factors. Whatever is wrong, the answer is the same, and takes as "
    "long.",
    http=post("/admin/v1/auth/login"),
    errors=(LogInRefused, Busy),
    deadline=10.0,
    rate=_LOG_INS,
)


class EnrolAuthenticator(Request, frozen=True, kw_only=True):
    """A challenge whose step is "enrol"."""

    challenge: str


class Authenticator(Response, frozen=True, kw_only=True):
    """What an authenticator app has to know, as an address for a QR code and as text to type.
    Shown once."""

    otpauth_uri: str
    secret: str


ENROL_AUTHENTICATOR: Final = Operation(
    "auth.v1.EnrolAuthenticator",
    EnrolAuthenticator,
    Authenticator,
    permission=PUBLIC,
    summary="Begin to set up an authenticator. Its first code is then the second factor.",
    http=post("/admin/v1/auth/mfa/enrol"),
    errors=(LogInRefused, SecretShown),
)


class AnswerChallenge(Request, frozen=True, kw_only=True):
    """The second factor: a code of the authenticator, or a recovery code, each good for once.
    ``device`` says where this is ("Firefox on Linux"), for the list of one's sessions."""

    challenge: str
    code: str
    device: str = ""


class AdminLogIn(Response, frozen=True, kw_only=True):
    """A session. ``device_token`` is kept by a device that was not known, for its next log-in;
    ``recovery_codes`` are there once an authenticator was set up, and never again.
    ``recovery_codes_left`` says how many can still be used."""

    session: TokenPair
    device_token: str = ""
    recovery_codes: tuple[str, ...] = ()
    recovery_codes_left: int


ANSWER_CHALLENGE: Final = Operation(
    "auth.v1.AnswerChallenge",
    AnswerChallenge,
    AdminLogIn,
    permission=PUBLIC,
    summary="The second of two factors. Five wrong answers end the challenge.",
    http=post("/admin/v1/auth/mfa"),
    errors=(LogInRefused,),
    rate=_LOG_INS,
)


class BeginOidc(Request, frozen=True, kw_only=True):
    """A log-in at the identity provider in place of a password."""


class OidcErrand(Response, frozen=True, kw_only=True):
    """Where to send the browser. ``errand`` stays in it: only who has it can come back."""

    address: str
    errand: str
    expires_at: Instant


BEGIN_OIDC: Final = Operation(
    "auth.v1.BeginOidc",
    BeginOidc,
    OidcErrand,
    permission=PUBLIC,
    summary="Begin a log-in at the identity provider; not there where none is set up.",
    http=post("/admin/v1/auth/oidc/begin"),
    errors=(NotFound, Unavailable),
    deadline=15.0,
    rate=_LOG_INS,
)


class FinishOidc(Request, frozen=True, kw_only=True):
    """``state`` and ``code`` are what the provider sent the browser back with."""

    errand: str
    state: str
    code: str
    device_token: str = ""


FINISH_OIDC: Final = Operation(
    "auth.v1.FinishOidc",
    FinishOidc,
    AdminChallenge,
    permission=PUBLIC,
    summary="The provider's word in place of a password; the second factor is still ours to ask.",
    http=post("/admin/v1/auth/oidc/finish"),
    errors=(LogInRefused, NotFound, Unavailable),
    deadline=15.0,
    rate=_LOG_INS,
)


# --- one's own account -------------------------------------------------------------------------


class AdminInfo(Response, frozen=True, kw_only=True):
    """``status`` is "active" or "disabled"; ``enrolled``: an authenticator is set up."""

    admin_id: UUID
    email: str
    role: str
    status: str
    enrolled: bool
    created_at: Instant
    logged_in_at: Instant | None = None


class ChangePassword(Request, frozen=True, kw_only=True):
    """12 to 256 characters, not containing the name in one's e-mail address."""

    current_password: str
    new_password: str


CHANGE_PASSWORD: Final = Operation(
    "auth.v1.ChangePassword",
    ChangePassword,
    AdminInfo,
    permission=AUTHENTICATED,
    summary="Change one's own password as an admin. All of one's sessions end, this one too.",
    http=post("/admin/v1/auth/password"),
    errors=(Forbidden, LogInRefused, InvalidRequest, Busy),
    idempotency=Idempotency.NATURAL,
    deadline=10.0,
)


class RenewRecoveryCodes(Request, frozen=True, kw_only=True):
    """``code`` is one of the authenticator."""

    code: str


class RecoveryCodes(Response, frozen=True, kw_only=True):
    """Ten codes that stand in for the authenticator, once each. Shown once."""

    codes: tuple[str, ...]


RENEW_RECOVERY_CODES: Final = Operation(
    "auth.v1.RenewRecoveryCodes",
    RenewRecoveryCodes,
    RecoveryCodes,
    permission=AUTHENTICATED,
    summary="New recovery codes for oneself; those from before are worth nothing any more.",
    http=post("/admin/v1/auth/recovery-codes"),
    errors=(Forbidden, LogInRefused),
    idempotency=Idempotency.NATURAL,
)


class ReplaceAuthenticator(Request, frozen=True, kw_only=True):
    """Both factors once more; ``code`` may be a recovery code."""

    password: str
    code: str


REPLACE_AUTHENTICATOR: Final = Operation(
    "auth.v1.ReplaceAuthenticator",
    ReplaceAuthenticator,
    AdminChallenge,
    permission=AUTHENTICATED,
    summary="Begin to set up another authenticator; the old one holds until the new one is used.",
    http=post("/admin/v1/auth/mfa/replace"),
    errors=(Forbidden, LogInRefused, Busy),
    idempotency=Idempotency.NATURAL,
    deadline=10.0,
)


# --- colleagues --------------------------------------------------------------------------------


class InviteAdmin(Request, frozen=True, kw_only=True):
    """``role`` is superadmin, analyst, support or points."""

    email: str
    role: str


class InvitationMade(Response, frozen=True, kw_only=True):
    """``token`` is to be handed to whoever is invited, and to nobody else. Shown once."""

    invitation_id: UUID
    token: str
    expires_at: Instant


INVITE_ADMIN: Final = Operation(
    "auth.v1.InviteAdmin",
    InviteAdmin,
    InvitationMade,
    permission=FULL,
    summary="Invite a colleague. An earlier invitation of the same address holds no more.",
    http=post("/admin/v1/invitations", status=201),
    errors=(InvalidRequest, AdminExists),
    idempotency=Idempotency.NATURAL,
)


class ListInvitations(Request, frozen=True, kw_only=True):
    """``limit`` is 1 to 250."""

    limit: int = 50
    cursor: str | None = None


class InvitationInfo(Response, frozen=True, kw_only=True):
    invitation_id: UUID
    email: str
    role: str
    invited_by: str
    created_at: Instant
    expires_at: Instant


class Invitations(Page, frozen=True, kw_only=True):
    invitations: tuple[InvitationInfo, ...]


LIST_INVITATIONS: Final = Operation(
    "auth.v1.ListInvitations",
    ListInvitations,
    Invitations,
    permission=FULL,
    summary="Invitations that still hold, the newest first.",
    http=get("/admin/v1/invitations"),
    errors=(InvalidRequest,),
)


class WithdrawInvitation(Request, frozen=True, kw_only=True):
    invitation_id: UUID


WITHDRAW_INVITATION: Final = Operation(
    "auth.v1.WithdrawInvitation",
    WithdrawInvitation,
    InvitationInfo,
    permission=FULL,
    summary="Take an invitation back.",
    http=post("/admin/v1/invitations/withdraw"),
    errors=(NotFound,),
    idempotency=Idempotency.NATURAL,
)


class AcceptInvitation(Request, frozen=True, kw_only=True):
    """A token that was handed over, and the password of one's choice."""

    token: str
    password: str


ACCEPT_INVITATION: Final = Operation(
    "auth.v1.AcceptInvitation",
    AcceptInvitation,
    AdminChallenge,
    permission=PUBLIC,
    summary="Become an admin; an authenticator has to be set up next.",
    http=post("/admin/v1/invitations/accept"),
    errors=(InvalidRequest, InvitationSpent, Busy),
    deadline=10.0,
    rate=_LOG_INS,
)


class ListAdmins(Request, frozen=True, kw_only=True):
    """``limit`` is 1 to 250."""

    limit: int = 50
    cursor: str | None = None


class AdminsPage(Page, frozen=True, kw_only=True):
    admins: tuple[AdminInfo, ...]


LIST_ADMINS: Final = Operation(
    "auth.v1.ListAdmins",
    ListAdmins,
    AdminsPage,
    permission=FULL,
    summary="All admins, the newest first.",
    http=get("/admin/v1/admins"),
    errors=(InvalidRequest,),
)


class AdminNamed(Request, frozen=True, kw_only=True):
    admin_id: UUID


DISABLE_ADMIN: Final = Operation(
    "auth.v1.DisableAdmin",
    AdminNamed,
    AdminInfo,
    permission=FULL,
    summary="Keep an admin out. Their sessions end at once, and those they have in shops' names.",
    http=post("/admin/v1/admins/disable"),
    errors=(NotFound, LastSuperadmin),
    idempotency=Idempotency.NATURAL,
)

ENABLE_ADMIN: Final = Operation(
    "auth.v1.EnableAdmin",
    AdminNamed,
    AdminInfo,
    permission=FULL,
    summary="Let an admin in again.",
    http=post("/admin/v1/admins/enable"),
    errors=(NotFound,),
    idempotency=Idempotency.NATURAL,
)


class ChangeAdminRole(Request, frozen=True, kw_only=True):
    """``role`` is superadmin, analyst, support or points."""

    admin_id: UUID
    role: str


CHANGE_ADMIN_ROLE: Final = Operation(
    "auth.v1.ChangeAdminRole",
    ChangeAdminRole,
    AdminInfo,
    permission=FULL,
    summary="Give an admin another role. Their sessions end at once.",
    http=post("/admin/v1/admins/role"),
    errors=(NotFound, InvalidRequest, LastSuperadmin),
    idempotency=Idempotency.NATURAL,
)


# --- from the command line ---------------------------------------------------------------------


class CreateAdmin(Request, frozen=True, kw_only=True):
    """An admin without an invitation: the first one."""

    email: str
    password: str
    role: str = "superadmin"


class AdminSecrets(Response, frozen=True, kw_only=True):
    """What the admin needs besides the password. Shown once."""

    admin_id: UUID
    otpauth_uri: str
    secret: str
    recovery_codes: tuple[str, ...]


CREATE_ADMIN: Final = Operation(
    "auth.v1.CreateAdmin",
    CreateAdmin,
    AdminSecrets,
    permission=INTERNAL,
    summary="Make an admin with an authenticator that is set up already.",
    errors=(InvalidRequest, AdminExists, Busy),
    deadline=10.0,
)


class RecoverAdmin(Request, frozen=True, kw_only=True):
    """``new_password`` may be empty: then the old one stays."""

    email: str
    new_password: str = ""


RECOVER_ADMIN: Final = Operation(
    "auth.v1.RecoverAdmin",
    RecoverAdmin,
    AdminSecrets,
    permission=INTERNAL,
    summary="A new authenticator and new recovery codes for an admin who has lost theirs. All "
    "sessions end, and failed log-ins are forgotten.",
    errors=(InvalidRequest, NotFound, Busy),
    deadline=10.0,
)


# --- what is said of it ------------------------------------------------------------------------


class AdminChange(StrEnum):
    """What happened to an admin."""

    CREATED = "created"
    JOINED = "joined"  # by an invitation
    ENROLLED = "enrolled"
    RECOVERED = "recovered"
    PASSWORD = "password"  # noqa: S105  # that it was changed
    RECOVERY_CODES = "recovery_codes"
    RECOVERY_CODE_USED = "recovery_code_used"
    ROLE = "role"
    DISABLED = "disabled"
    ENABLED = "enabled"


class AdminChanged(Body, frozen=True, kw_only=True):
    """``change`` is a value of AdminChange."""

    admin_id: UUID
    change: str
    role: str


class AdminInvited(Body, frozen=True, kw_only=True):
    invitation_id: UUID
    role: str
    withdrawn: bool = False


ADMIN_CHANGED: Final = Event(
    "admin.changed", AdminChanged, _AUTH, "Something about an admin has changed; about no shop."
)
ADMIN_INVITED: Final = Event(
    "admin.invited", AdminInvited, _AUTH, "An admin was invited, or not any more; about no shop."
)

CONTRACTS: Final = Contracts(
    operations=(
        LOG_IN_ADMIN,
        ENROL_AUTHENTICATOR,
        ANSWER_CHALLENGE,
        BEGIN_OIDC,
        FINISH_OIDC,
        CHANGE_PASSWORD,
        RENEW_RECOVERY_CODES,
        REPLACE_AUTHENTICATOR,
        INVITE_ADMIN,
        LIST_INVITATIONS,
        WITHDRAW_INVITATION,
        ACCEPT_INVITATION,
        LIST_ADMINS,
        DISABLE_ADMIN,
        ENABLE_ADMIN,
        CHANGE_ADMIN_ROLE,
        CREATE_ADMIN,
        RECOVER_ADMIN,
    ),
    events=(ADMIN_CHANGED, ADMIN_INVITED),
)
