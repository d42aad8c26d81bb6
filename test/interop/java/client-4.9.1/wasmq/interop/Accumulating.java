package wasmq.interop;

import org.apache.rocketmq.client.producer.DefaultMQProducer;

/** Producers that gather messages into batches, which 4.x has not. */
final class Accumulating {
  static DefaultMQProducer producer(String group) {
    throw new UnsupportedOperationException("no producer of 4.9.1 batches by itself");
  }
}
