// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// What plays the person, and reads what an app has got, is at the other end of
// standard input and output: a line of JSON each.
import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import { jwtVerify } from 'jose'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

async function next() {
  const { value, done } = await lines.next()
  if (done) throw new Error('nobody listens')
  return JSON.parse(value)
}

async function ask(what) {
  process.stdout.write(JSON.stringify(what) + '\n')
  return next()
}

export const settings = await next()

// visit sends the person to a URL and returns the request that they come back with.
export async function visit(url) {
  const { method, url: at, body } = await ask({ visit: url.href })
  if (method === 'GET') return new Request(at)
  return new Request(at, { method, body, headers: { 'content-type': 'application/x-www-form-urlencoded' } })
}

// rotate has the issuer's keys change.
export const rotate = () => ask({ rotate: true })

// checkLogoutToken waits for one to be sent to the app, and does what OpenID Connect
// Back-Channel Logout 1.0 section 2.6 has an app do, by the library that most use.
export async function checkLogoutToken(keys, { iss, sub, aud, sid }) {
  const { logout_token: token } = await ask({ logout_token: true })
  const { payload } = await jwtVerify(token, keys, {
    issuer: iss, audience: aud, typ: 'logout+jwt', algorithms: [settings.id_token_alg], requiredClaims: ['iat', 'exp', 'jti'],
  })
  assert.ok(sid)
  assert.deepEqual([payload.sub, payload.sid], [sub, sid])
  assert.deepEqual(payload.events, { 'http://schemas.openid.net/event/backchannel-logout': {} })
  assert.ok(!('nonce' in payload))
}

export async function done(outcome) {
  process.stdout.write(JSON.stringify({ done: outcome }) + '\n')
  process.stdin.destroy()
}
