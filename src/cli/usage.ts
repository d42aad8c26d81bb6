export const usage = `Usage: wasmq [start] [options]     a RocketMQ NameServer and broker in this process
       wasmq namesrv [options]     a NameServer alone
       wasmq broker [options]      a broker alone, which registers at the NameServers of --namesrv

  --store DIR          where messages are kept (default ~/.wasmq/store; "memory" keeps none); of a NameServer alone
                       where it keeps its settings (default ~/.wasmq/namesrv)
  --bind ADDRESS       address to listen on (default 127.0.0.1)
  --namesrv-port PORT  port of the NameServer (default 9876; 0: a free one)
  --broker-port PORT   port of the broker (default 10911; 0: a free one)
  --advertise HOST     host that clients are told to come to (default: the address they came by; NameServers of
                       --namesrv are told the address the broker listens on)
  --cluster NAME       name of the cluster (default DefaultCluster)
  --broker-name NAME   name of the broker (default broker-a)
  -n, --namesrv LIST   NameServers elsewhere that the broker registers at: HOST:PORT, several with ; between
                       (wasmq broker: default NAMESRV_ADDR of the environment)
  --flush MODE         async: a send is answered once the operating system has the message (default)
                       sync: once it is on the disk
  --stop-timeout SECS  how long a stop may wait for the disk (default 30)
  -c, --config FILE    a broker.conf (wasmq namesrv: a namesrv.conf) with RocketMQ's settings
  -p, --print          show the settings that hold, by RocketMQ's names, and end
  -h, --help           show this

  Each option can be said by the environment too: WASMQ_STORE, WASMQ_BROKER_PORT, WASMQ_NAMESRV and so on. The command
  line goes before the environment, and that before the file.

       wasmq export [--store DIR | --from URL [--token TOKEN]] FILE.tar|DIRECTORY|-
       wasmq import FILE.tar|DIRECTORY|- [--store DIR]

Moves a store that is not in use: into an archive, a directory or standard output, and from there into an empty store.

  --store DIR          the store (default WASMQ_STORE of the environment, else ~/.wasmq/store)
  --from URL           export from a broker elsewhere, by what it serves at this address
  --token TOKEN        what that broker asks for (default: the environment's WASMQ_TOKEN)

       wasmq check [STORE|FILE.tar] [--json] [--live|--repair]

Looks for damage in a store that is not in use (default: WASMQ_STORE of the environment, else ~/.wasmq/store), and changes
nothing. The exit code: 0 sound, 1 what can be put right without losing a message, 2 messages or settings are damaged or lost,
3 it could not be checked, 64 called wrongly.

  --json               the report as JSON
  --repair             make ConsumeQueues, IndexFiles and checkpoint anew from the CommitLog, cut off a torn tail, keep damaged bytes
                       apart; the exit code is that of the store afterwards
  --live               also one that a broker has open: what is being written may look damaged`;
