"""Who may do what: accepting is open unless ACCEPT_TOKEN is set, reading is for staff and tokens."""

from contextlib import suppress

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, TokenAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView
from typing_extensions import override

from counter.accepting.accept_call import RETRY_AFTER_SECONDS
from counter.accepting.caller_tokens import caller_tokens
from counter.accepting.problem import Problem
from counter.models import ApiToken, digest_of
from counter.telemetry import rejections
from counter.time_limit import AWAY, within

NOTE_SECONDS = 0.2
"""For the write of a token's last use, which no answer waits longer for."""


class TokensUnknown(APIException):
    """The database has not answered since this process began, so its tokens and wrong ones look alike."""

    problem = Problem(
        503,
        "the database with the tokens does not answer",
        headers=[("Retry-After", str(RETRY_AFTER_SECONDS))],
    )


class AcceptToken(BaseAuthentication):
    """Refuses a call without one of the CallerTokens, where there are any. Knows no users."""

    @override
    def authenticate(self, request: Request) -> None:
        tokens = caller_tokens()
        header = request.headers.get("Authorization", "")
        if not tokens or tokens.admit(header):
            return
        if header and not tokens.are_known:
            rejections.UNAVAILABLE.add(why=TokensUnknown.problem.detail)
            raise TokensUnknown
        rejections.UNAUTHORIZED.add()
        raise AuthenticationFailed("this Tally accepts calls only with a token that it knows")

    @override
    def authenticate_header(self, request: Request) -> str:
        """What the answer 401 asks for."""
        return "Bearer"


class ReaderToken(TokenAuthentication):
    """An API token with the scope `read`, made in the admin or by `tally create_token`."""

    keyword = "Bearer"

    @override
    def authenticate_credentials(self, key: str) -> tuple[User, ApiToken]:
        valid = ApiToken.objects.valid(ApiToken.Scope.READ).select_related("user")
        if not (token := valid.filter(digest=digest_of(key)).first()):
            raise AuthenticationFailed("this token is wrong, has ended, or is none for reading")
        if not token.was_used_lately:
            with suppress(*AWAY), within(NOTE_SECONDS):
                ApiToken.objects.note_use([token.digest])
        return token.user, token


class IsStaffOrToken(BasePermission):
    """Staff, by the session of the admin; or any user's token, which is made for this."""

    @override
    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether it is one of them."""
        return isinstance(request.auth, ApiToken) or bool(request.user and request.user.is_staff)


class ReadingView(APIView):
    """What only staff and tokens may see."""

    authentication_classes = (ReaderToken, SessionAuthentication)
    permission_classes = (IsStaffOrToken,)
