import { spawnSync } from 'node:child_process'
import t from 'tap'
import { tank } from './service.ts'

const has = (shell: string) => spawnSync(shell, ['-c', 'exit 0']).status === 0

/** What bash offers for the last of these words. */
function bash(script: string, ...words: string[]): string[] {
  const list = words.map((word) => `'${word}'`).join(' ')
  const code = `${script}\nCOMP_WORDS=(tank ${list}); COMP_CWORD=${words.length}; _tank; echo "\${COMPREPLY[@]}"`
  const { stdout, stderr } = spawnSync('bash', ['-c', code], { encoding: 'utf8' })
  if (stderr !== '') throw new Error(stderr)
  return stdout.trim().split(' ')
}

t.test(
  'bash completes commands, flags and values',
  { skip: !has('bash') && 'no bash' },
  async (t) => {
    const { code, out } = await tank(['completion', 'bash'])
    t.equal(code, 0)
    t.same(bash(out, 'pu'), ['push', 'pull'])
    t.same(bash(out, 'image', 'd'), ['download', 'delete', 'deactivate'])
    t.same(bash(out, 'image', 'list', '--so'), ['--sort'])
    t.same(bash(out, 'image', 'list', '-o', ''), ['table', 'json', 'yaml', 'value'])
    t.same(bash(out, 'push', '--disk-format', 'v'), ['vmdk', 'vhd', 'vhdx', 'vdi'])
    t.same(bash(out, 'token', ''), ['create', 'list', 'revoke'])
    t.same(bash(out, 'token', 'list', ''), [''])
    t.same(bash(out, 'image', 'list', '--name', ''), [''])
  }
)

t.test('zsh and fish take their scripts', async (t) => {
  for (const shell of ['zsh', 'fish']) {
    const { code, out } = await tank(['completion', shell])
    t.match({ code, out }, { code: 0, out: /image list/ })
    if (!has(shell)) continue
    const { status, stderr } = spawnSync(shell, ['-n', '/dev/stdin'], {
      input: out,
      encoding: 'utf8'
    })
    t.match({ status, stderr }, { status: 0, stderr: '' }, shell)
  }
  t.match(await tank(['completion', 'csh']), { code: 2, err: /bash, zsh or fish/ })
})
