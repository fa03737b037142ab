// Copyright 2026 The Clientele Authors.
// SPDX-License-Identifier: Apache-2.0

// What plays the person, and reads what an app has got, is at the other end of
// standard input and output: a line of JSON each.
import { createInterface } from 'node:readline'

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

// logoutToken waits for one to be sent to the app.
export const logoutToken = async () => (await ask({ logout_token: true })).logout_token

export async function done(outcome) {
  process.stdout.write(JSON.stringify({ done: outcome }) + '\n')
  process.stdin.destroy()
}
