import t from 'tap'
import { conforms } from './conforms.ts'
import { imagesOf, type Manners, openOrigin } from './origin.ts'

const kinds: Readonly<Record<string, Manners>> = {
  'an origin as it should be': {},
  'an origin without ranges and without HEAD': { ranges: false, head: false },
  'an origin that does not say sizes': { ranges: false, sized: false }
}

for (const [name, manners] of Object.entries(kinds)) {
  t.test(name, async (t) => {
    const images = new Map<string, Buffer>()
    const { port } = await openOrigin(t, imagesOf(images, manners))
    await conforms(t, port, async (path, bytes) => void images.set(`/${path}`, bytes), manners)
  })
}
