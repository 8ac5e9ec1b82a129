"""Accounts, sign-ins and tokens."""

from django.urls import path

from users.views import accounts, passwords, sign_ins

urlpatterns = [
    path("users/", accounts.SignUpView.as_view()),
    path("users/me/", accounts.MeView.as_view()),
    path("users/<str:id>/", accounts.ProfileView.as_view()),
    path("auth/token/", sign_ins.TokenView.as_view()),
    path("auth/token/refresh/", sign_ins.RefreshView.as_view()),
    path("auth/token/revoke/", sign_ins.RevokeView.as_view()),
    path("auth/sign-ins/", sign_ins.SignInsView.as_view()),
    path("auth/sign-ins/<str:id>/", sign_ins.SignInView.as_view()),
    path("auth/password/", passwords.PasswordView.as_view()),
    path("auth/password/reset/", passwords.ResetView.as_view()),
    path("auth/password/reset/confirm/", passwords.ResetConfirmView.as_view()),
]
