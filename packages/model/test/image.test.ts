import t from 'tap'
import {
  customProperties,
  type ImageDocument,
  isStorableText,
  isTankError,
  isUuid,
  TankError,
  textLength
} from '../src/index.ts'

t.test('DM0: lengths count code points', async (t) => {
  t.equal(textLength(''), 0)
  t.equal(textLength('🐧é'), 2)
  t.equal(textLength('🐧'.repeat(255)), 255)
})

t.test('text that the database and JSON can both carry', async (t) => {
  t.ok(isStorableText('🐧 plain'))
  t.notOk(isStorableText('a\0b'))
  t.notOk(isStorableText('\ud83d'))
  t.notOk(isStorableText('\udc27\ud83d'))
})

t.test('CRE5: ids are UUIDs in any letter case', async (t) => {
  t.ok(isUuid('0E9F1C9E-3f0c-4c54-9d3e-1d1b6a2f7c11'))
  for (const text of [
    '',
    'x',
    '0e9f1c9e3f0c4c549d3e1d1b6a2f7c11',
    '0e9f1c9e-3f0c-4c54-9d3e-1d1b6a2f7c1g'
  ])
    t.notOk(isUuid(text), text)
})

t.test('CRE19: custom properties of any name, without a prototype', async (t) => {
  const document = JSON.parse(
    '{"id":"x","name":"n","tags":[],"stores":"main","__proto__":"a","toString":"b","hw:x":"c"}'
  ) as ImageDocument
  const properties = customProperties(document)
  t.same(Object.keys(properties).sort(), ['__proto__', 'hw:x', 'toString'])
  t.equal(Object.getPrototypeOf(properties), null)
})

t.test('errors are told apart by their code', async (t) => {
  const cause = new Error('below')
  const error = new TankError('IMAGE_GONE', 'gone', { cause, headers: { allow: 'GET' } })
  t.ok(isTankError(error))
  t.ok(isTankError(error, 'IMAGE_GONE'))
  t.notOk(isTankError(error, 'IMAGE_BUSY'))
  t.notOk(isTankError(cause))
  t.equal(error.cause, cause)
  t.same(error.headers, { allow: 'GET' })
})
