package wasmq.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Scenarios of message modes, each with clients of its own. Plays what lines of its standard input name, side by side: what a scenario has
 * to tell is in "told" lines with the line's number, and it ends with a "done" line with that number, and an error if it failed.
 *
 * <p>--namesrv A; then lines: SCENARIO NAME, where NAME is what its topics and groups are called
 */
public final class Modes {
  private static final Map<String, Scenario.Play> SCENARIOS = Map.ofEntries(
      Map.entry("requestReply", RequestReply::play),
      Map.entry("trace", Traces::play),
      Map.entry("retries", Retries::play),
      Map.entry("deadAtOnce", Retries::deadAtOnce),
      Map.entry("orderlyRetries", Retries::orderly),
      Map.entry("delays", Delays::play),
      Map.entry("limits", Limits::play),
      Map.entry("autoBatches", AutoBatches::play),
      Map.entry("innerBatches", InnerBatches::play),
      Map.entry("innerBatchesAccumulated", InnerBatches::accumulated),
      Map.entry("pull", Pulls::play),
      Map.entry("pullGroup", Pulls::group),
      Map.entry("litePull", LitePulls::play),
      Map.entry("litePullGroup", LitePulls::group),
      Map.entry("allocation", Allocation::play),
      Map.entry("consumeFrom", ConsumeFrom::play),
      Map.entry("ordered", Ordered::play),
      Map.entry("orderedRestart", Ordered::throughRestart));

  public static void main(String[] argv) throws Exception {
    Args args = Args.of(argv);
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    List<Thread> running = new ArrayList<>();
    int number = 0;
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      String[] words = line.trim().split(" ");
      int of = number++;
      Scenario scenario = new Scenario(args.need("namesrv"), words[1], of);
      Thread thread = new Thread(() -> run(scenario, words[0], of));
      running.add(thread);
      thread.start();
    }
    for (Thread thread : running) thread.join();
    new Line("stopped").print();
    // The 4.9.1 client leaves a thread behind that is no daemon.
    System.exit(0);
  }

  private static void run(Scenario scenario, String name, int number) {
    Line done = new Line("done").put("number", number);
    try {
      SCENARIOS.get(name).play(scenario);
    } catch (Throwable error) {
      error.printStackTrace();
      done.error(error);
    } finally {
      scenario.close();
    }
    done.print();
  }
}
