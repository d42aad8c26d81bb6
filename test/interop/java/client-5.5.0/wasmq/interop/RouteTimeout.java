package wasmq.interop;

import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.client.producer.DefaultMQProducer;

/** How long a client waits for a name server's routes. */
final class RouteTimeout {
  private static final int TIMEOUT_MS = 30_000;

  static void of(ClientConfig client) {
    client.setMqClientApiTimeout(TIMEOUT_MS);
  }

  static MQClientInstance clientOf(DefaultMQProducer producer) {
    return producer.getDefaultMQProducerImpl().getMqClientFactory();
  }

  private RouteTimeout() {}
}
