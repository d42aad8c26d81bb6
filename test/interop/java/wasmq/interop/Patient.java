package wasmq.interop;

import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.client.producer.DefaultMQProducer;

/**
 * Starts clients. On a machine that starts several JVMs at once a client's first request, for a route, may take longer than it gives a name
 * server; whoever needs the route, a send or a start, ends then with an IllegalStateException. So it is asked for until it is told.
 */
final class Patient {
  private static final int TRIES_MAX = 10;
  /** A topic that there always is. */
  private static final String TOPIC = "TBW102";

  static void start(DefaultMQProducer producer) throws Exception {
    RouteTimeout.of(producer);
    producer.start();
    MQClientInstance client = RouteTimeout.clientOf(producer);
    untilTold(() -> client.updateTopicRouteInfoFromNameServer(TOPIC));
  }

  static void start(DefaultMQPushConsumer consumer) throws Exception {
    RouteTimeout.of(consumer);
    try {
      consumer.start();
    } catch (IllegalStateException noRoute) {
      // It is running, but for what its start does with the routes.
      MQClientInstance client = consumer.getDefaultMQPushConsumerImpl().getmQClientFactory();
      untilTold(client::updateTopicRouteInfoFromNameServer);
      client.sendHeartbeatToAllBrokerWithLock();
      client.rebalanceImmediately();
    }
  }

  static void start(DefaultMQPullConsumer consumer) throws Exception {
    RouteTimeout.of(consumer);
    consumer.start();
    MQClientInstance client = consumer.getDefaultMQPullConsumerImpl().getRebalanceImpl().getmQClientFactory();
    untilTold(() -> client.updateTopicRouteInfoFromNameServer(TOPIC));
  }

  private static void untilTold(Runnable request) {
    for (int tries = 1; ; tries++) {
      try {
        request.run();
        return;
      } catch (IllegalStateException late) {
        if (tries == TRIES_MAX) throw late;
      }
    }
  }

  private Patient() {}
}
