// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { createLocalJWKSet } from 'jose'
import * as oauth from 'oauth4webapi'
import { checkLogoutToken, settings, visit, rotate, done } from './driver.mjs'

async function privateKey() {
  const der = createPrivateKey(settings.private_key).export({ format: 'der', type: 'pkcs8' })
  return crypto.subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
}

const issuer = new URL(settings.issuer)
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer))
const client = { client_id: settings.client_id, id_token_signed_response_alg: settings.id_token_alg }
const authentication = await {
  client_secret_basic: () => oauth.ClientSecretBasic(settings.client_secret),
  client_secret_post: () => oauth.ClientSecretPost(settings.client_secret),
  private_key_jwt: async () => oauth.PrivateKeyJwt(await privateKey()),
  none: () => oauth.None(),
}[settings.auth_method]()

const keys = {}
const own = `api://${client.client_id}` // the client's own API

// answer checks signatures as well, where this library relies on TLS unless it is told.
async function answer(process, response, ...options) {
  const tokens = await process(as, client, response, ...options)
  await oauth.validateApplicationLevelSignature(as, response, { [oauth.jwksCache]: keys })
  return tokens
}

async function signIn(extra = {}) {
  const verifier = settings.pkce ? oauth.generateRandomCodeVerifier() : oauth.nopkce
  const state = oauth.generateRandomState()
  const nonce = oauth.generateRandomNonce()
  const url = new URL(as.authorization_endpoint)
  const parameters = {
    client_id: client.client_id, response_type: 'code', redirect_uri: settings.redirect_uri, scope: settings.scope, state, nonce, ...extra,
  }
  if (settings.pkce) {
    parameters.code_challenge = await oauth.calculatePKCECodeChallenge(verifier)
    parameters.code_challenge_method = 'S256'
  }
  if (settings.response_mode) parameters.response_mode = settings.response_mode
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  for (const resource of settings.resource ? [own, settings.resource] : []) url.searchParams.append('resource', resource)
  const back = await visit(url)
  const said = back.method === 'GET' ? new URL(back.url) : new URLSearchParams(await back.text())
  const callback = oauth.validateAuthResponse(as, client, said, state)
  const response = await oauth.authorizationCodeGrantRequest(as, client, authentication, callback, settings.redirect_uri, verifier,
    { additionalParameters: settings.resource ? { resource: own } : {} })
  return answer(oauth.processAuthorizationCodeResponse, response, { expectedNonce: nonce, requireIdToken: true })
}

const refresh = async (token, options) =>
  answer(oauth.processRefreshTokenResponse, await oauth.refreshTokenGrantRequest(as, client, authentication, token, options))

const introspect = async (token) =>
  oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, authentication, token))

const fails = (error) => (e) => e.error === error

const tokens = await signIn()
const outcome = { IDToken: oauth.getValidatedIdTokenClaims(tokens) }
const { sub } = outcome.IDToken
outcome.Userinfo = await oauth.processUserInfoResponse(as, client, sub, await oauth.userInfoRequest(as, client, tokens.access_token))

// What an API does that is called with the access token.
const call = (token) => new Request('https://api.example.com/', { headers: { authorization: `Bearer ${token}` } })
outcome.AccessToken = await oauth.validateJwtAccessToken(as, call(tokens.access_token), own, { [oauth.jwksCache]: keys })
await assert.rejects(oauth.validateJwtAccessToken(as, call(tokens.id_token), own))

let { refresh_token } = tokens
if (settings.resource) {
  // Another API gets a token of its own (RFC 8707 section 2.2).
  const other = await refresh(refresh_token, { additionalParameters: { resource: settings.resource } })
  await oauth.validateJwtAccessToken(as, call(other.access_token), settings.resource, { [oauth.jwksCache]: keys })
  await assert.rejects(oauth.validateJwtAccessToken(as, call(other.access_token), own, { [oauth.jwksCache]: keys }))
  refresh_token = other.refresh_token
}

const refreshed = await refresh(refresh_token, { additionalParameters: { scope: settings.scope } })
outcome.Refreshed = oauth.getValidatedIdTokenClaims(refreshed)

// Hours later, with the metadata and the keys of the beginning.
await rotate()
const rotated = await refresh(refreshed.refresh_token, settings.resource && { additionalParameters: { resource: own } })
outcome.Rotated = oauth.getValidatedIdTokenClaims(rotated)
const again = await signIn({ prompt: 'none' })
assert.equal(oauth.getValidatedIdTokenClaims(again).sub, sub)

if (settings.auth_method !== 'none') outcome.Introspection = await introspect(rotated.access_token)
await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authentication, rotated.refresh_token))
if (settings.auth_method !== 'none') outcome.Revoked = await introspect(rotated.access_token)
await assert.rejects(refresh(rotated.refresh_token), fails('invalid_grant'))

const state = oauth.generateRandomState()
const leave = new URL(as.end_session_endpoint)
leave.searchParams.set('id_token_hint', again.id_token)
leave.searchParams.set('post_logout_redirect_uri', settings.post_logout_redirect_uri)
leave.searchParams.set('state', state)
const bye = await visit(leave)
assert.equal(bye.url, `${settings.post_logout_redirect_uri}?state=${state}`)
if (settings.logout_tokens) await checkLogoutToken(createLocalJWKSet(keys.jwks), oauth.getValidatedIdTokenClaims(again))
await assert.rejects(signIn({ prompt: 'none' }), fails('login_required'))
await done(outcome)
