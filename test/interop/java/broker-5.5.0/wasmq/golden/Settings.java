package wasmq.golden;

import java.lang.reflect.Method;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.namesrv.NamesrvConfig;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.netty.NettyServerConfig;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/** Prints a "setting" line for each key that a broker.conf or namesrv.conf may set, with its default (MixAll.properties2Object). */
public final class Settings {
  public static void main(String[] args) throws Exception {
    Class<?>[] classes = {
      BrokerConfig.class, MessageStoreConfig.class, NettyServerConfig.class, NettyClientConfig.class, NamesrvConfig.class,
    };
    for (Class<?> one : classes) {
      Object standard = one.getDeclaredConstructor().newInstance();
      Map<String, Method> setters = new TreeMap<>();
      for (Method method : one.getMethods()) {
        String name = method.getName();
        if (name.startsWith("set") && name.length() > 3 && method.getParameterCount() == 1) {
          setters.put(name.substring(3, 4).toLowerCase() + name.substring(4), method);
        }
      }
      for (String key : setters.keySet()) {
        Map<String, Object> line = Lines.line("setting");
        line.put("class", one.getSimpleName());
        line.put("key", key);
        line.put("standard", value(standard, key));
        Lines.print(line);
      }
    }
    System.exit(0);
  }

  private static String value(Object standard, String key) throws Exception {
    String name = key.substring(0, 1).toUpperCase() + key.substring(1);
    for (String prefix : new String[] {"get", "is"}) {
      try {
        return String.valueOf(standard.getClass().getMethod(prefix + name).invoke(standard));
      } catch (NoSuchMethodException none) {
        // The other one, or none.
      }
    }
    return null;
  }
}
