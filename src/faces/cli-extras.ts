/** What the command line can do besides the operations: the names, for help and completion. cli.ts does them. */
export interface Extra {
  noun: string
  /** Empty: the noun alone is the command. */
  verb: string
  takes: string
  about: string
  more?: string
}

export const EXTRAS: readonly Extra[] = [
  { noun: 'start', verb: '', takes: '', about: 'start the server; start --help lists its flags' },
  {
    noun: 'setup-link',
    verb: '',
    takes: '[--data-dir DIR]',
    about: 'print a new one-time link for the first owner',
    more: 'On the machine that runs the server: it writes to its data directory. The link before it is void. Closed once there is an owner.',
  },
  {
    noun: 'backup',
    verb: '',
    takes: '--to FILE [--data-dir DIR] [--database-url URL]',
    about: 'write all of an installation into one encrypted file; the server may run',
    more: 'On the machine that runs the server. The root key is needed and is not inside: keep it elsewhere. backup verify --file FILE reads one\nwhole and keeps nothing of it.',
  },
  {
    noun: 'restore',
    verb: '',
    takes: '--from FILE --data-dir DIR [--database-url URL]',
    about: 'put a backup into an empty data directory and database',
    more: 'Needs the root key that the installation had: in the directory as root.key, or by --root-key-file or --root-key-command. What was cut\noff goes on when it is run again. Nothing that was under way goes on by itself before an owner confirms that the original is no more.',
  },
  {
    noun: 'login',
    verb: '',
    takes: '[--url URL] --token-file FILE',
    about: 'try a token and keep it for this server',
    more: 'Without --token-file the token is asked for and not shown; --token-file - reads it from standard input.\nIt is kept in a file of your configuration directory that only you can read, and sent to this server alone.',
  },
  { noun: 'logout', verb: '', takes: '[--url URL]', about: 'forget the token that is kept for this server' },
  { noun: 'version', verb: '', takes: '', about: 'the version of this program' },
  {
    noun: 'completion',
    verb: '',
    takes: 'bash|zsh|fish',
    about: 'print a script that completes commands, flags and ids',
    more: 'bash: source <(agentruntime completion bash)\nzsh:  source <(agentruntime completion zsh)\nfish: agentruntime completion fish | source',
  },
  {
    noun: 'runs',
    verb: 'follow',
    takes: '<workflow> <run>',
    about: 'Print the events of a run as they happen, until it ends.',
    more: 'Exit code 0: completed. Otherwise that of the failure; see agentruntime help exit-codes. With --json each line is one event.',
  },
  {
    noun: 'audit',
    verb: 'verify --file',
    takes: 'FILE [--public-key KEY] [--checkpoint FILE]',
    about: 'Check what audit export has written: no server is asked.',
    more: 'KEY is the public key that audit checkpoint shows, or a file with it. The checkpoint is one from another day (audit checkpoint --json):\nit finds a history that was written anew, and a tail that was cut.',
  },
]
