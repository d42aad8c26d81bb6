package wasmq.interop;

import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.client.producer.DefaultMQProducer;

/** How long a client waits for a name server's routes: this one's 3 s are fixed. */
final class RouteTimeout {
  static void of(ClientConfig client) {}

  static MQClientInstance clientOf(DefaultMQProducer producer) {
    return producer.getDefaultMQProducerImpl().getmQClientFactory();
  }

  private RouteTimeout() {}
}
