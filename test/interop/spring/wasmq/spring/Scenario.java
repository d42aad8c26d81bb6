package wasmq.spring;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.spring.core.RocketMQTemplate;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.boot.Banner;
import org.springframework.boot.SpringBootConfiguration;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;

/** What a scenario plays with: Spring applications, each with clients of its own, which are closed behind it. */
final class Scenario {
  interface Play {
    void play(Scenario scenario) throws Exception;
  }

  /** All that the applications have in common; the rest is the starter's. */
  @SpringBootConfiguration
  @EnableAutoConfiguration
  static class Application {}

  /**
   * A machine that starts several JVMs at once may be slower than the 3 s that a client gives a name server to tell a route: a send ends
   * then with an IllegalStateException.
   */
  private static final class Patience implements BeanPostProcessor {
    @Override
    public Object postProcessBeforeInitialization(Object bean, String name) {
      if (bean instanceof ClientConfig) ((ClientConfig) bean).setMqClientApiTimeout(Prompt.TIMEOUT_MS);
      return bean;
    }
  }

  private static final long WAIT_MS = 90_000;
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  /** Of its topics and groups; "${name}" in annotations. */
  final String name;
  private final String namesrv;
  private final int number;
  private final List<ConfigurableApplicationContext> applications = new ArrayList<>();

  Scenario(String namesrv, String name, int number) {
    this.namesrv = namesrv;
    this.name = name;
    this.number = number;
  }

  /** An application of these beans, running: its listeners, and a template if the settings name a group for one. */
  ConfigurableApplicationContext application(Map<String, Object> settings, Class<?>... beans) {
    Map<String, Object> all = new LinkedHashMap<>(settings);
    all.put("name", name);
    all.put("rocketmq.name-server", namesrv);
    // A machine that starts several JVMs at once may be slower than the 3 s that the starter gives a send.
    all.put("rocketmq.producer.send-message-timeout", 30_000);
    ConfigurableApplicationContext application = new SpringApplicationBuilder(Application.class)
        .sources(beans)
        .web(WebApplicationType.NONE)
        .bannerMode(Banner.Mode.OFF)
        .registerShutdownHook(false)
        .properties(all)
        .initializers(context -> {
          context.getBeanFactory().registerSingleton("scenario", this);
          context.getBeanFactory().addBeanPostProcessor(new Patience());
        })
        .run();
    applications.add(application);
    return application;
  }

  ConfigurableApplicationContext listening(Class<?>... beans) {
    return application(Map.of(), beans);
  }

  /** The template of an application that has producers, and these beans. */
  RocketMQTemplate template(Class<?>... beans) {
    return application(Map.of("rocketmq.producer.group", "Senders-" + name), beans).getBean(RocketMQTemplate.class);
  }

  /** Says a line of what was found: names and values in turns. */
  void told(String what, Object... fields) {
    Map<String, Object> line = line("told");
    line.put("of", number);
    line.put("what", what);
    for (int i = 0; i < fields.length; i += 2) line.put((String) fields[i], fields[i + 1]);
    print(line);
  }

  void until(String what, BooleanSupplier holds) throws InterruptedException {
    long deadline = System.currentTimeMillis() + WAIT_MS;
    while (!holds.getAsBoolean()) {
      if (System.currentTimeMillis() > deadline) {
        throw new IllegalStateException("waited " + WAIT_MS + " ms for " + what);
      }
      Thread.sleep(20);
    }
  }

  void run(Play play) {
    Map<String, Object> done = line("done");
    done.put("number", number);
    try {
      play.play(this);
    } catch (Throwable error) {
      error.printStackTrace();
      done.put("error", error.getClass().getSimpleName());
      done.put("message", String.valueOf(error.getMessage()));
    } finally {
      for (int i = applications.size() - 1; i >= 0; i--) applications.get(i).close();
    }
    print(done);
  }

  private static Map<String, Object> line(String event) {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("event", event);
    return line;
  }

  private static void print(Map<String, Object> line) {
    try {
      OUT.println(JSON.writeValueAsString(line));
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException(impossible);
    }
  }
}
