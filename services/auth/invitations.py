"""New colleagues: invited by a superadmin, and let in with a token that counts once."""

from collections.abc import Sequence

from contracts.admins import (
    ADMIN_INVITED,
    AcceptInvitation,
    AdminChallenge,
    AdminChange,
    AdminInvited,
    InvitationInfo,
    InvitationMade,
    Invitations,
    InviteAdmin,
    ListInvitations,
    WithdrawInvitation,
)
from contracts.caller import NO_SHOP, Audience, Caller
from contracts.paging import cursor_of, limit_problems
from domain.admins.errors import AdminExists, InvitationSpent
from domain.admins.passwords import password_problems, prepared
from domain.admins.staff import INVITATION_LASTS, email_problems, role_problems
from domain.errors import InvalidRequest, NotFound
from ports.admin_log_ins import AdminStores, Step
from ports.admins import Admin, Invitation, Status
from ports.passwords import Passwords
from ports.unit import Unit, Units
from services.auth.challenges import Random, challenged, new_token
from services.auth.proofs import say
from services.auth.vault import Vault, Vaults, digest


class Inviting:
    def __init__(
        self, units: Units[AdminStores], vaults: Vaults, passwords: Passwords, random: Random
    ) -> None:
        self._units = units
        self._vaults = vaults
        self._passwords = passwords
        self._random = random

    async def invite(self, caller: Caller, request: InviteAdmin) -> InvitationMade:
        problems = email_problems(request.email) + role_problems(request.role)
        if problems:
            raise InvalidRequest(problems=problems)
        vault = await self._vaults.open()
        account = vault.account(request.email)
        token = new_token(self._random)
        async with self._units() as unit:
            unit.actor = caller.name
            if await unit.stores.admins.by_email(account) is not None:
                raise AdminExists
            now = unit.now()
            invitation = Invitation(
                invitation_id=unit.new_id(),
                digest=digest(token),
                email_index=account,
                sealed_email=vault.seal_email(request.email),
                role=request.role,
                invited_by=caller.name,
                created_at=now,
                expires_at=now + INVITATION_LASTS,
            )
            await unit.stores.admins.invite(invitation)
            _say(unit, invitation)
        return InvitationMade(
            invitation_id=invitation.invitation_id, token=token, expires_at=invitation.expires_at
        )

    async def page(self, _: Caller, request: ListInvitations) -> Invitations:
        problems = limit_problems(request.limit)
        after = cursor_of(request.cursor, problems)
        if problems:
            raise InvalidRequest(problems=problems)
        vault = await self._vaults.open()
        async with self._units() as unit:
            found = await unit.stores.admins.invitations(unit.now(), after, request.limit + 1)
        page: Sequence[Invitation] = found[: request.limit]
        return Invitations(
            invitations=tuple(_info(vault, each) for each in page),
            next_cursor=str(page[-1].invitation_id) if len(found) > len(page) else None,
        )

    async def withdraw(self, caller: Caller, request: WithdrawInvitation) -> InvitationInfo:
        vault = await self._vaults.open()
        async with self._units() as unit:
            unit.actor = caller.name
            gone = await unit.stores.admins.withdraw(request.invitation_id)
            if gone is None:
                raise NotFound("There is no such invitation.")
            _say(unit, gone, withdrawn=True)
        return _info(vault, gone)

    async def accept(self, _: Caller, request: AcceptInvitation) -> AdminChallenge:
        """Become an admin. Of two who come with the same token, one does."""
        vault = await self._vaults.open()
        token = digest(request.token)
        async with self._units() as unit:
            invitation = await unit.stores.admins.invitation(token, unit.now())
        if invitation is None:
            raise InvitationSpent
        # Only now, because a password is work, and only for the one it is meant for.
        email = vault.open_email(invitation.sealed_email)
        problems = password_problems(request.password, email)
        if problems:
            raise InvalidRequest(problems=problems)
        password_hash = await self._passwords.hashed(prepared(request.password))
        async with self._units() as unit:
            taken = await unit.stores.admins.take_invitation(token, unit.now())
            if taken is None:
                raise InvitationSpent
            now = unit.now()
            admin = Admin(
                admin_id=unit.new_id(),
                email_index=taken.email_index,
                sealed_email=taken.sealed_email,
                role=taken.role,
                status=Status.ACTIVE,
                password_hash=password_hash,
                sealed_secret="",
                last_step=0,
                created_at=now,
                signed_out_at=now,
            )
            if not await unit.stores.admins.add(admin):
                raise InvitationSpent  # made from the command line in the meantime
            unit.actor = f"{Audience.ADMIN}:{admin.admin_id}"
            say(unit, admin, AdminChange.JOINED)
            return await challenged(unit, admin, Step.ENROL, "", self._random)


def _say(unit: Unit[AdminStores], invitation: Invitation, *, withdrawn: bool = False) -> None:
    body = AdminInvited(
        invitation_id=invitation.invitation_id, role=invitation.role, withdrawn=withdrawn
    )
    unit.emit(ADMIN_INVITED, body, NO_SHOP)


def _info(vault: Vault, invitation: Invitation) -> InvitationInfo:
    return InvitationInfo(
        invitation_id=invitation.invitation_id,
        email=vault.open_email(invitation.sealed_email),
        role=invitation.role,
        invited_by=invitation.invited_by,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
    )
