/** The part of a configuration that a schema knows: servers refuse keys that are not theirs. */
export function pick<T extends object>(
  schema: { readonly properties: Readonly<Record<string, unknown>> },
  config: T
): T {
  return Object.fromEntries(
    Object.entries(config).filter(([key]) => Object.hasOwn(schema.properties, key))
  ) as T
}
