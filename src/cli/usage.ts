export const usage = `Usage: wasmq [start] [options]

Runs a RocketMQ NameServer and broker in this process.

  --store DIR          where messages are kept (default ~/.wasmq/store; "memory" keeps none)
  --bind ADDRESS       address to listen on (default 127.0.0.1)
  --namesrv-port PORT  port of the NameServer (default 9876; 0: a free one)
  --broker-port PORT   port of the broker (default 10911; 0: a free one)
  --advertise HOST     host that clients are told to come to (default: the address they came by)
  --cluster NAME       name of the cluster (default DefaultCluster)
  --broker-name NAME   name of the broker (default broker-a)
  --flush MODE         async: a send is answered once the operating system has the message (default)
                       sync: once it is on the disk
  --help               show this

       wasmq export [--store DIR | --from URL [--token TOKEN]] FILE.tar|DIRECTORY|-
       wasmq import FILE.tar|DIRECTORY|- [--store DIR]

Moves a store that is not in use: into an archive, a directory or standard output, and from there into an empty store.

  --store DIR          the store (default ~/.wasmq/store)
  --from URL           export from a broker elsewhere, by what it serves at this address
  --token TOKEN        what that broker asks for (default: the environment's WASMQ_TOKEN)`;
