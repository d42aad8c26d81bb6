package wasmq.interop;

import org.apache.rocketmq.client.producer.DefaultMQProducer;

/** Producers that gather what is sent at about one time into batches, which 5.x has (ProduceAccumulator). */
final class Accumulating {
  static DefaultMQProducer producer(String group) {
    DefaultMQProducer producer = new DefaultMQProducer(group);
    producer.setAutoBatch(true);
    producer.batchMaxDelayMs(30);
    return producer;
  }
}
