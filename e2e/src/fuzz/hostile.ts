import fc from 'fast-check'

const HOSTILE_TEXTS = [
  ...[
    '',
    ' ',
    '\0',
    '\ud800',
    'a\u0000b',
    '\u202e',
    '💾',
    'é'.repeat(300),
    "'",
    '"',
    '\\',
    '%',
    '%s%n'
  ],
  ...['../../../etc/passwd', '..', '.', '/', '//', '~', 'con', '-rf', '$(id)', '`id`', '{{7*7}}'],
  ...[
    "'; DROP TABLE images; --",
    "' OR '1'='1",
    '<script>alert(1)</script>',
    'in:',
    'in:"',
    'gt:x'
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'null',
    'NaN',
    '-1',
    '1e999',
    '0x10'
  ],
  ...['9'.repeat(40), 'a'.repeat(256), 'a'.repeat(70_000), '\r\nx: y', '1970-01-01T00:00:00Z'],
  ...[
    '99999-01-01T00:00:00Z',
    'gt:2000-13-45',
    'name:asc,name:desc',
    'os_glance_x',
    'size',
    'locations'
  ]
]

const deep = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

/** Texts that some server somewhere fell over. */
export const hostileText = fc.oneof(
  fc.constantFrom(...HOSTILE_TEXTS),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 40 })
)

/** Whatever JSON can hold. */
export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  hostileText,
  fc.constantFrom<unknown>(
    null,
    true,
    [],
    {},
    -1,
    0,
    1.5,
    2 ** 31,
    2 ** 53,
    1e308,
    -0,
    [[]],
    [null]
  ),
  fc.jsonValue({ maxDepth: 3 })
)

const HOSTILE_BODIES = [
  ...['', '{', '{}', '[]', 'null', 'true', '"x"', '0', '1e999', '[{}]', '[null]', '{"a":1}{"b":2}'],
  ...[
    '{"__proto__":{"x":1}}',
    '{"constructor":{"prototype":{"x":1}}}',
    '{"a":1,"a":2}',
    '\ufeff{}'
  ],
  ...[
    deep(33),
    deep(10_000),
    '{"name":"\\u0000"}',
    '{"name":"\\ud800"}',
    '{"\\u0000":"x"}',
    '{"":""}'
  ]
]

/** Bodies that are no JSON, or JSON that nobody expects. */
export const hostileBody: fc.Arbitrary<string | Buffer> = fc.oneof(
  fc.constantFrom<string | Buffer>(...HOSTILE_BODIES, Buffer.from([0x22, 0xff, 0xfe, 0x22])),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc.json({ maxDepth: 3 })
)

/** Mostly one, and the other once in `weight` + 1 times. */
export const mostly = <T>(
  usual: fc.Arbitrary<T>,
  rare: fc.Arbitrary<T>,
  weight = 12
): fc.Arbitrary<T> => fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: rare })
