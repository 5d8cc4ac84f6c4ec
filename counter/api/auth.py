"""Who may do what: accepting is open unless ACCEPT_TOKEN is set, reading is for staff and tokens."""

from django.conf import settings
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView
from typing_extensions import override

from counter.accepting.token_guard import carries
from counter.telemetry import rejections


class AcceptToken(BaseAuthentication):
    """Refuses a call without ACCEPT_TOKEN, where it is set. Knows no users."""

    @override
    def authenticate(self, request: Request) -> None:
        token = settings.ACCEPT_TOKEN
        if token and not carries(token, request.headers.get("Authorization", "")):
            rejections.UNAUTHORIZED.add()
            raise AuthenticationFailed("this Tally accepts calls only with its token")

    @override
    def authenticate_header(self, request: Request) -> str:
        """What the answer 401 asks for."""
        return "Bearer"


class ReaderToken(TokenAuthentication):
    """A token of a user's, made in the admin or by `tally drf_create_token`."""

    keyword = "Bearer"


class IsStaffOrToken(BasePermission):
    """Staff, by the session of the admin; or any user's token, which is made for this."""

    @override
    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether it is one of them."""
        return isinstance(request.auth, Token) or bool(request.user and request.user.is_staff)


class ReadingView(APIView):
    """What only staff and tokens may see."""

    authentication_classes = (ReaderToken, SessionAuthentication)
    permission_classes = (IsStaffOrToken,)
