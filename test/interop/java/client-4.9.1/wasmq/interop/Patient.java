package wasmq.interop;

import org.apache.rocketmq.client.ClientConfig;

/** This client's 3 s are fixed; what was not told in time it asks for again. */
final class Patient {
  static void make(ClientConfig client) {}

  private Patient() {}
}
