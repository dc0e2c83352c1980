/** Path of an image, or of what lies below it. */
export function imagePath(id: string, ...parts: readonly string[]): string {
  return ['/v2/images', ...[id, ...parts].map(encodeURIComponent)].join('/')
}
