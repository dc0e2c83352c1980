import type { CallOptions } from '@tank/store'
import type { Container } from './container.ts'
import { readSegments } from './manifest.ts'

/**
 * Removes an image and whatever killed puts of its key left. The image goes first, so that nobody
 * finds it without its segments; those that a crash leaves then are found by their names.
 */
export async function removeImage(
  container: Container,
  key: string,
  options: CallOptions
): Promise<void> {
  const { names } = container
  const image = names.image(key)
  const prefix = names.segments(key)
  const head = await container.head(image, options)
  const found = new Set<string>()
  if (head?.isManifest) {
    // Listings may be late, the manifest is not. What it names outside of our names is not ours.
    const { parts, manifests } = await readSegments(container, key, head, options)
    for (const { name } of parts) found.add(name)
    for (const name of manifests) found.add(name)
  }
  // Even when it was not to be seen: Swift notes the time, and refuses a put that began before.
  await container.remove(image, options)
  for await (const { name } of container.list(prefix, options)) found.add(name)
  await container.removeAll(
    [...found].filter((name) => name.startsWith(prefix)),
    options
  )
}
