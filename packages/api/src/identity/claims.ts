import { isStorableText, textLength } from '@tank/model'
import type { JWTPayload } from 'jose'
import { type Caller, readsOnly, roleSet } from './caller.ts'
import { refused } from './credentials.ts'

/** Where the claims of a token are: names, or paths of names joined by dots. */
export interface ClaimNames {
  readonly user: string
  readonly project: string
  readonly domain: string
  readonly roles: string
}

const LONGEST_TEXT = 255

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function own(value: unknown, key: string): unknown {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined
}

/** A claim of that whole name (it may be a URL), else what the path leads to. */
function claimAt(payload: JWTPayload, name: string): unknown {
  return own(payload, name) ?? name.split('.').reduce<unknown>(own, payload)
}

function textAt(payload: JWTPayload, name: string): string | null {
  const value = name === '' ? undefined : claimAt(payload, name)
  if (value === undefined || value === null || value === '') return null
  if (typeof value !== 'string' || !isStorableText(value) || textLength(value) > LONGEST_TEXT) {
    throw refused(
      `The claim ${name} of the token is no text of at most ${LONGEST_TEXT} characters.`
    )
  }
  return value
}

function namesAt(payload: JWTPayload, name: string): readonly string[] {
  const value = claimAt(payload, name)
  if (typeof value === 'string') return value.split(/[\s,]+/)
  if (!Array.isArray(value)) return []
  return value.filter((each): each is string => typeof each === 'string')
}

/** What a verified token says about its bearer. `roleMap` is empty, or all names that count. */
export function callerOfClaims(
  payload: JWTPayload,
  claims: ClaimNames,
  roleMap: Readonly<Record<string, string>>
): Caller {
  const names = namesAt(payload, claims.roles)
  const isMapped = Object.keys(roleMap).length > 0
  const roles = roleSet(
    isMapped ? names.flatMap((each) => own(roleMap, each) ?? []).map(String) : names
  )
  return {
    user: textAt(payload, claims.user),
    project: textAt(payload, claims.project),
    domain: textAt(payload, claims.domain),
    roles,
    serviceRoles: roleSet([]),
    readOnly: readsOnly(roles)
  }
}
