import { type Static, Type } from 'typebox'

const names = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { default: [], description })

/** Section `inspection`: what is accepted of the images that come in. */
export const inspectionSection = Type.Object(
  {
    requireMatch: Type.Boolean({
      default: true,
      description:
        'Refuses images that are not in their `disk_format`, or in several formats at once. false: that is only logged.'
    }),
    nonFatal: names(
      'Findings that are only logged, by their code or the name `mbr` (boot sectors and partition tables); see [inspection.md](inspection.md). Those that lead to other files, or hide whether an image does, stay fatal.'
    ),
    fatal: names('Findings that refuse an image although they usually do not, by their code.'),
    maxVirtualSize: Type.Integer({
      default: 70368744177664,
      minimum: 512,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'Most bytes of the disk inside an image.'
    })
  },
  { additionalProperties: false, default: {} }
)
export type InspectionSection = Static<typeof inspectionSection>
