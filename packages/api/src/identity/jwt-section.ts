import { type Static, Type } from 'typebox'

const algorithm = Type.Union(
  [
    Type.Literal('RS256'),
    Type.Literal('RS384'),
    Type.Literal('RS512'),
    Type.Literal('PS256'),
    Type.Literal('PS384'),
    Type.Literal('PS512'),
    Type.Literal('ES256'),
    Type.Literal('ES384'),
    Type.Literal('ES512'),
    Type.Literal('EdDSA'),
    Type.Literal('Ed25519')
  ],
  // anything that anybody with the public key could sign with is not among them
  { description: 'A signature algorithm with a public key.' }
)

const claims = Type.Object(
  {
    user: Type.String({
      default: 'sub',
      description: 'Claim with the id of the user: a name, or a path such as `account.id`.'
    }),
    project: Type.String({
      default: 'project_id',
      description: 'Claim with the project; callers without it own no images.'
    }),
    domain: Type.String({ default: 'domain_id', description: "Claim with the project's domain." }),
    roles: Type.String({
      default: 'roles',
      description:
        'Claim with the roles, a list or a text of words: a name, or a path such as `realm_access.roles`.'
    })
  },
  { additionalProperties: false, default: {} }
)

/** Section `identity.jwt` of the configuration: tokens that an OpenID Connect issuer signs. */
export const jwtSection = Type.Object(
  {
    issuer: Type.String({
      minLength: 1,
      description: 'Mode `jwt`: the issuer of the tokens, letter by letter as in their claim `iss`.'
    }),
    audience: Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      description: 'Names of this service, one of which a token has to have in its claim `aud`.'
    }),
    jwksUri: Type.String({
      default: '',
      description: 'Where the issuer publishes its keys; empty: as its discovery document says.'
    }),
    algorithms: Type.Array(algorithm, {
      minItems: 1,
      default: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
      description: 'Signature algorithms that tokens may have.'
    }),
    clockSkewSeconds: Type.Integer({
      default: 30,
      minimum: 0,
      maximum: 300,
      description: 'How far the clocks of issuer and Tank may be apart.'
    }),
    claims,
    roleMap: Type.Record(
      Type.String(),
      Type.String({
        minLength: 1,
        description:
          'What a role of the issuer with that name is here: `admin`, `member`, `reader` or `service`. With any, no other names count; without, roles count as they are named.'
      }),
      { default: {} }
    ),
    keysSeconds: Type.Integer({
      default: 600,
      minimum: 10,
      maximum: 86_400,
      description:
        'How long the keys of the issuer are used without asking it again; it is asked after half of that.'
    }),
    caFile: Type.String({
      default: '',
      description:
        "PEM file of the authorities for the issuer's certificate; empty: the usual ones."
    }),
    timeoutSeconds: Type.Number({
      default: 5,
      minimum: 0.05,
      maximum: 60,
      description: 'How long an answer of the issuer may take.'
    })
  },
  { additionalProperties: false }
)
export type JwtSection = Static<typeof jwtSection>
