/** A sound qcow2 image of version 3 with an empty disk of 1 MiB. */
export function qcow2(change: (view: DataView) => void = () => {}): Uint8Array {
  const cluster = 65536
  const bytes = new Uint8Array(4 * cluster)
  const view = new DataView(bytes.buffer)
  bytes.set([0x51, 0x46, 0x49, 0xfb])
  view.setUint32(4, 3)
  view.setUint32(20, 16)
  view.setBigUint64(24, 1048576n)
  view.setUint32(36, 1)
  view.setBigUint64(40, BigInt(3 * cluster))
  view.setBigUint64(48, BigInt(cluster))
  view.setUint32(56, 1)
  view.setUint32(96, 4)
  view.setUint32(100, 104)
  change(view)
  return bytes
}
