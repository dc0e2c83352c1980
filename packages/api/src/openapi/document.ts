/** The parts of an OpenAPI document that Tank writes and reads. */
export interface ApiDocument {
  readonly info: { readonly title: string; readonly description: string }
  readonly servers?: readonly { readonly url: string }[]
  readonly tags: readonly { readonly name: string; readonly description: string }[]
  readonly paths: Readonly<Record<string, Record<string, ApiOperation>>>
  readonly components: { readonly schemas: Readonly<Record<string, ApiSchema>> }
}

export interface ApiOperation {
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly tags: readonly string[]
  readonly security?: readonly unknown[]
  readonly parameters?: readonly ApiParameter[]
  readonly requestBody?: { readonly content: ApiContent }
  readonly responses: Readonly<Record<string, ApiResponse>>
}

export interface ApiParameter {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly description?: string
  readonly schema: ApiSchema
}

export type ApiContent = Readonly<Record<string, { readonly schema: ApiSchema }>>

interface ApiResponse {
  readonly description: string
  readonly content?: ApiContent
  readonly headers?: Readonly<Record<string, { readonly description?: string }>>
}

export interface ApiSchema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, ApiSchema>>
  readonly required?: readonly string[]
  readonly items?: ApiSchema
  readonly additionalProperties?: boolean | ApiSchema
  readonly readOnly?: boolean
  readonly [keyword: string]: unknown
}
