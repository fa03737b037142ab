# Copyright 2026 The Clientele Authors.
# SPDX-License-Identifier: Apache-2.0

# Authlib with requests. What plays the person, and reads what the app has got, is at
# the other end of standard input and output: a line of JSON each.
import json
import sys

from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url


def read():
    return json.loads(sys.stdin.readline())


def ask(**what):
    print(json.dumps(what), flush=True)
    return read()


def refused(error, f, *args, **kwargs):
    try:
        f(*args, **kwargs)
    except OAuthError as e:
        assert e.error == error, e
        return
    raise AssertionError("nothing was refused")


settings = read()
issuer, client_id, redirect_uri = settings["issuer"], settings["client_id"], settings["redirect_uri"]
session = OAuth2Session(
    client_id,
    settings.get("private_key") or settings.get("client_secret"),
    token_endpoint_auth_method=settings["auth_method"],
    revocation_endpoint_auth_method=settings["auth_method"],
    scope=settings["scope"],
    redirect_uri=redirect_uri,
    code_challenge_method="S256" if settings["pkce"] else None,
)
server = OpenIDProviderMetadata(session.get(get_well_known_url(issuer, external=True), withhold_token=True).json())
server.validate()
session.register_client_auth_method(PrivateKeyJWT(server["token_endpoint"], alg="ES256"))
keys = JsonWebKey.import_key_set(session.get(server["jwks_uri"], withhold_token=True).json())


def claims_of(tokens, nonce=None):
    claims = jwt.decode(
        tokens["id_token"],
        keys,
        claims_cls=CodeIDToken,
        claims_options={
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": client_id},
        },
        claims_params={"nonce": nonce, "client_id": client_id, "access_token": tokens["access_token"]},
    )
    claims.validate()
    assert claims.header["alg"] == settings["id_token_alg"], claims.header
    return claims


def sign_in(**extra):
    verifier, nonce = generate_token(48), generate_token()
    if settings["pkce"]:
        extra["code_verifier"] = verifier
    url, state = session.create_authorization_url(server["authorization_endpoint"], nonce=nonce, **extra)
    back = ask(visit=url)
    if settings["pkce"]:
        extra = {"code_verifier": verifier}
    else:
        extra = {}
    tokens = session.fetch_token(server["token_endpoint"], authorization_response=back["url"], state=state, **extra)
    return tokens, claims_of(tokens, nonce)


tokens, id_token = sign_in()
outcome = {"IDToken": id_token}
outcome["Userinfo"] = session.get(server["userinfo_endpoint"]).json()

# It repeats the scope of the beginning by itself.
tokens = session.refresh_token(server["token_endpoint"])
outcome["Refreshed"] = claims_of(tokens)

# Hours later, with the metadata and the keys of the beginning.
ask(rotate=True)
tokens = session.refresh_token(server["token_endpoint"])
outcome["Rotated"] = claims_of(tokens)
_, again = sign_in(prompt="none")
assert again["sub"] == id_token["sub"]


def introspect():
    return session.introspect_token(server["introspection_endpoint"], token=tokens["access_token"]).json()


if settings["auth_method"] != "none":
    outcome["Introspection"] = introspect()
revoked = session.revoke_token(server["revocation_endpoint"], token=tokens["refresh_token"])
assert revoked.status_code == 200, revoked.text
if settings["auth_method"] != "none":
    outcome["Revoked"] = introspect()
refused("invalid_grant", session.refresh_token, server["token_endpoint"], refresh_token=tokens["refresh_token"])
print(json.dumps({"done": outcome}), flush=True)
