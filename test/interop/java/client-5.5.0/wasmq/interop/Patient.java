package wasmq.interop;

import org.apache.rocketmq.client.ClientConfig;

/**
 * A machine that starts several JVMs at once may be slower than the 3 s that a client gives a name server to tell a route, and a broker to take
 * a heartbeat: a send ends then with an IllegalStateException.
 */
final class Patient {
  private static final int TIMEOUT_MS = 30_000;

  static void make(ClientConfig client) {
    client.setMqClientApiTimeout(TIMEOUT_MS);
  }

  private Patient() {}
}
