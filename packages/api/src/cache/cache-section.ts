import { type Static, Type } from 'typebox'

/** Section `cache` of the configuration; without it nothing is cached. */
export const cacheSection = Type.Object(
  {
    dir: Type.String({
      default: '',
      description:
        'Folder on a local disk that nothing else uses; empty: `cache` in the data directory of `tank serve`.'
    }),
    maxSize: Type.Integer({
      default: 10 * 2 ** 30,
      minimum: 1,
      description:
        'Most bytes of all cached images, those that are being fetched included. The least recently used ones make room.'
    }),
    stores: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description:
        'Stores whose images are cached; empty: all that do not keep them on disks of this machine.'
    }),
    checkSeconds: Type.Number({
      default: 300,
      minimum: 0.1,
      description:
        'How often the cached images are compared with the registry: those that are gone leave the cache.'
    })
  },
  { additionalProperties: false }
)

export type CacheConfig = Static<typeof cacheSection>
