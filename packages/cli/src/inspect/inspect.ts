import { FORMATS, type FormatName, inspectFile, inspectStream, type Report } from '@tank/inspect'
import {
  type Command,
  type CommandCall,
  CommandError,
  EXIT,
  text,
  UsageError
} from '../command-line.ts'
import { oneWord } from '../image/fields.ts'
import { OUTPUT_FLAGS, presentationOf, presentRecord } from '../output/present.ts'
import { reportRecord, reportText } from './report-text.ts'

const EXITS = { safe: EXIT.done, unsafe: EXIT.unsafe, indeterminate: EXIT.undecided } as const

function expectedOf(call: CommandCall): FormatName | undefined {
  const wish = text(call, 'expect')
  const format = FORMATS.find((name) => name === wish)
  if (wish !== undefined && format === undefined) {
    throw new UsageError(`--expect is one of ${FORMATS.join(', ')}, not "${wish}".`)
  }
  return format
}

async function look(call: CommandCall, source: string): Promise<Report> {
  const options = { expected: expectedOf(call) }
  const stop = new AbortController()
  const interrupt = () => stop.abort(new CommandError(EXIT.interrupted, 'interrupted'))
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(source)) {
    if (!/^https?:\/\//i.test(source) || !URL.canParse(source)) {
      throw new UsageError(`${source} is neither a file nor an http or https URL.`)
    }
    process.once('SIGINT', interrupt)
    try {
      // a store comes with all that servers need: files can do without
      const { inspectUrl } = await import('./read-url.ts')
      return await inspectUrl(source, options, stop.signal)
    } catch (error) {
      throw stop.signal.aborted ? stop.signal.reason : error
    } finally {
      process.off('SIGINT', interrupt)
    }
  }
  try {
    if (source === '-') return await inspectStream(call.streams.stdin, options)
    return await inspectFile(source, options)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? `there is no file ${source}.` : `${source}: ${message}`
    throw new CommandError(EXIT.failed, why)
  }
}

export const inspect: Command = {
  words: 'FILE|URL|-',
  details:
    'Reads the headers and the tail of an image, and opens nothing that it names. Of a URL a few ranges\n' +
    'are read. Ends with 0 for safe, 6 for unsafe, 7 when not all was seen that has to be seen.',
  examples: [
    'tank inspect disk.qcow2',
    'tank inspect https://images.example.org/disk.vmdk -o json',
    'tank inspect disk.img -o value -c format,virtual_size'
  ],
  flags: {
    expect: {
      type: 'string',
      short: 'f',
      value: 'FORMAT',
      choices: FORMATS,
      help: 'the format that it has to be'
    },
    ...OUTPUT_FLAGS
  },
  async run(call) {
    const presentation = presentationOf(call)
    const source = oneWord(call, 'file, a URL, or - for standard input')
    const report = await look(call, source)
    const isPlain = text(call, 'output') === undefined && presentation.columns === undefined
    call.print(
      isPlain ? reportText(report) : await presentRecord(reportRecord(report), presentation)
    )
    return EXITS[report.verdict]
  }
}
