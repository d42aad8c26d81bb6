package wasmq.interop;

import java.lang.reflect.Field;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.impl.consumer.DefaultLitePullConsumerImpl;
import org.apache.rocketmq.client.impl.consumer.RebalanceImpl;
import org.apache.rocketmq.common.message.MessageQueue;

/** The queues that a lite pull consumer has now: clients of 4.x have no method that tells. */
final class Assigned {
  static Set<MessageQueue> of(DefaultLitePullConsumer consumer) {
    try {
      Field impl = DefaultLitePullConsumer.class.getDeclaredField("defaultLitePullConsumerImpl");
      impl.setAccessible(true);
      Field rebalance = DefaultLitePullConsumerImpl.class.getDeclaredField("rebalanceImpl");
      rebalance.setAccessible(true);
      return ((RebalanceImpl) rebalance.get(impl.get(consumer))).getProcessQueueTable().keySet();
    } catch (ReflectiveOperationException error) {
      throw new IllegalStateException(error);
    }
  }

  private Assigned() {}
}
