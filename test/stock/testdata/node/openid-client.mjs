// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { createLocalJWKSet } from 'jose'
import * as client from 'openid-client'
import { checkLogoutToken, settings, visit, rotate, done } from './driver.mjs'

async function privateKey() {
  const der = createPrivateKey(settings.private_key).export({ format: 'der', type: 'pkcs8' })
  return crypto.subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
}

const authentication = {
  client_secret_basic: () => client.ClientSecretBasic(settings.client_secret),
  client_secret_post: () => client.ClientSecretPost(settings.client_secret),
  private_key_jwt: async () => client.PrivateKeyJwt(await privateKey()),
  none: () => client.None(),
}

const config = await client.discovery(
  new URL(settings.issuer),
  settings.client_id,
  { id_token_signed_response_alg: settings.id_token_alg },
  await authentication[settings.auth_method](),
)
client.enableNonRepudiationChecks(config) // verifies signatures, not TLS alone

async function signIn(extra = {}) {
  const verifier = client.randomPKCECodeVerifier()
  const state = client.randomState()
  const nonce = client.randomNonce()
  const parameters = { redirect_uri: settings.redirect_uri, scope: settings.scope, state, nonce, max_age: '3600', ...extra }
  if (settings.pkce) {
    parameters.code_challenge = await client.calculatePKCECodeChallenge(verifier)
    parameters.code_challenge_method = 'S256'
  }
  if (settings.response_mode) parameters.response_mode = settings.response_mode
  const back = await visit(client.buildAuthorizationUrl(config, parameters))
  return client.authorizationCodeGrant(config, back.method === 'GET' ? new URL(back.url) : back, {
    pkceCodeVerifier: settings.pkce ? verifier : undefined,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
    maxAge: 3600,
  })
}

const fails = (error) => (e) => e.error === error

const tokens = await signIn()
const outcome = { IDToken: tokens.claims() }
outcome.Userinfo = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, { scope: settings.scope })
outcome.Refreshed = refreshed.claims()
assert.notEqual(refreshed.access_token, tokens.access_token)

// Hours later, with the metadata and the keys of the beginning.
await rotate()
const rotated = await client.refreshTokenGrant(config, refreshed.refresh_token)
outcome.Rotated = rotated.claims()
const again = await signIn({ prompt: 'none' })
assert.equal(again.claims().sub, tokens.claims().sub)

if (settings.auth_method !== 'none') outcome.Introspection = await client.tokenIntrospection(config, rotated.access_token)
await client.tokenRevocation(config, rotated.refresh_token)
if (settings.auth_method !== 'none') outcome.Revoked = await client.tokenIntrospection(config, rotated.access_token)
await assert.rejects(client.refreshTokenGrant(config, rotated.refresh_token), fails('invalid_grant'))

const state = client.randomState()
const bye = await visit(client.buildEndSessionUrl(config, {
  id_token_hint: again.id_token, post_logout_redirect_uri: settings.post_logout_redirect_uri, state,
}))
assert.equal(bye.url, `${settings.post_logout_redirect_uri}?state=${state}`)
if (settings.logout_tokens) await checkLogoutToken(createLocalJWKSet(client.getJwksCache(config).jwks), again.claims())
await assert.rejects(signIn({ prompt: 'none' }), fails('login_required'))
await done(outcome)
