import { connect, type Socket } from 'node:net'

export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Everything that arrived. */
  readonly text: string
  /** How many answers it holds. */
  readonly count: number
}

export function parseAnswer(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n')
  const [line = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers = Object.fromEntries(
    lines.map((each) => {
      const colon = each.indexOf(':')
      return [each.slice(0, colon).toLowerCase(), each.slice(colon + 1).trim()]
    })
  )
  return {
    status: Number(line.split(' ')[1] ?? 0),
    headers,
    body: text.slice(end + 4),
    text,
    count: text.split('HTTP/1.1 ').length - 1
  }
}

export function openRaw(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.once('error', reject)
  })
}

/** Sends bytes as they are and reads until the server closes or `quietMs` pass without data. */
export async function sendRaw(
  port: number,
  bytes: string | Buffer,
  quietMs = 250
): Promise<RawAnswer> {
  const socket = await openRaw(port)
  return await new Promise((resolve) => {
    let text = ''
    const settle = () => {
      clearTimeout(timer)
      socket.destroy()
      resolve(parseAnswer(text))
    }
    let timer = setTimeout(settle, quietMs * 8)
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      clearTimeout(timer)
      timer = setTimeout(settle, quietMs)
    })
    socket.on('close', settle)
    socket.on('error', settle)
    socket.write(bytes)
  })
}
