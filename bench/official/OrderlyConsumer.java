import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;

/** What the official Consumer does, with an orderly listener: -n NAMESRV -t TOPIC -g GROUP. */
public class OrderlyConsumer {
    public static void main(String[] args) throws Exception {
        String namesrv = null;
        String topic = null;
        String group = null;
        for (int i = 0; i + 1 < args.length; i += 2) {
            switch (args[i]) {
                case "-n": namesrv = args[i + 1]; break;
                case "-t": topic = args[i + 1]; break;
                case "-g": group = args[i + 1]; break;
                default: throw new IllegalArgumentException(args[i]);
            }
        }
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(namesrv);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> ConsumeOrderlyStatus.SUCCESS);
        consumer.start();
        TimeUnit.DAYS.sleep(1);
    }
}
