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
  --help               show this`;
