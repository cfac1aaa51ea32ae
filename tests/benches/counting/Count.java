import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/** Requests per client in 10-second windows with Flink SQL, streaming: Count LOG FOLDER. */
public class Count {
    public static void main(String[] arguments) throws Exception {
        Configuration settings = new Configuration();
        settings.setString("parallelism.default", "1");
        settings.setString("taskmanager.numberOfTaskSlots", "1");
        settings.setString("table.local-time-zone", "UTC");
        settings.setString("rest.bind-port", "0");
        settings.setString("rest.address", "127.0.0.1");
        EnvironmentSettings streaming = EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(settings).build();
        TableEnvironment tables = TableEnvironment.create(streaming);
        tables.executeSql("""
            CREATE TABLE requests (
                request_time STRING, client_ip STRING,
                moment AS TO_TIMESTAMP(SUBSTRING(request_time FROM 2 FOR 20), 'dd/MMM/yyyy:HH:mm:ss'),
                WATERMARK FOR moment AS moment - INTERVAL '2' SECOND
            ) WITH ('connector' = 'filesystem', 'path' = 'file://%s', 'format' = 'json', 'json.ignore-parse-errors' = 'true')
            """.formatted(arguments[0]));
        tables.executeSql("""
            CREATE TABLE counts (w BIGINT, client_ip STRING, n BIGINT)
            WITH ('connector' = 'filesystem', 'path' = 'file://%s', 'format' = 'csv')
            """.formatted(arguments[1]));
        tables.executeSql("""
            INSERT INTO counts
            SELECT UNIX_TIMESTAMP(DATE_FORMAT(window_start, 'yyyy-MM-dd HH:mm:ss')), client_ip, COUNT(*)
            FROM TABLE(TUMBLE(TABLE requests, DESCRIPTOR(moment), INTERVAL '10' SECONDS))
            WHERE client_ip IS NOT NULL
            GROUP BY window_start, window_end, client_ip
            """).await();
    }
}
