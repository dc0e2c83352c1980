import { type Static, Type } from 'typebox'

const MiB = 1024 * 1024

const mode = (fallback: string, description: string) =>
  Type.Optional(
    // Text, since YAML and JSON have no octal numbers that all readers agree on.
    Type.String({ pattern: '^0?[0-7]{3}$', default: fallback, description })
  )

export const fsStoreOptions = Type.Object(
  {
    root: Type.String({
      minLength: 1,
      description: 'The directory of the images; made when missing, its parent must exist.'
    }),
    requireMount: Type.Optional(
      Type.Boolean({
        default: false,
        description: 'Refuse to work while the root lies on the same device as `/`.'
      })
    ),
    fsync: Type.Optional(
      Type.Boolean({
        default: true,
        description: 'Say "stored" only when the bytes would survive a power cut.'
      })
    ),
    blockSize: Type.Optional(
      Type.Integer({
        minimum: 64 * 1024,
        maximum: 16 * MiB,
        default: MiB,
        description: 'Bytes gathered for one write.'
      })
    ),
    flushBytes: Type.Optional(
      Type.Integer({
        minimum: 0,
        default: 64 * MiB,
        description: 'Bytes after which a flush starts beside the writing; 0: only at the end.'
      })
    ),
    fileMode: mode('0640', 'Mode of image files.'),
    dirMode: mode('0750', 'Mode of the directories that the store makes.')
  },
  { additionalProperties: false }
)

export type FsStoreOptions = Static<typeof fsStoreOptions>

export interface Settings {
  readonly root: string
  readonly requireMount: boolean
  readonly fsync: boolean
  readonly blockSize: number
  readonly flushBytes: number
  readonly fileMode: number
  readonly dirMode: number
}
