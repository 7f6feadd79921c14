package io.github.cursorstream.benchmarks;

import io.github.cursorstream.benchmarks.OurWriters.Account;
import java.util.Map;
import javax.sql.DataSource;
import org.springframework.batch.core.BatchStatus;
import org.springframework.batch.core.job.JobExecution;
import org.springframework.batch.core.job.JobInstance;
import org.springframework.batch.core.job.parameters.JobParameters;
import org.springframework.batch.core.repository.JobRepository;
import org.springframework.batch.core.repository.support.ResourcelessJobRepository;
import org.springframework.batch.core.step.Step;
import org.springframework.batch.core.step.StepExecution;
import org.springframework.batch.core.step.builder.StepBuilder;
import org.springframework.batch.infrastructure.item.ExecutionContext;
import org.springframework.batch.infrastructure.item.database.Order;
import org.springframework.batch.infrastructure.item.database.builder.JdbcBatchItemWriterBuilder;
import org.springframework.batch.infrastructure.item.database.builder.JdbcPagingItemReaderBuilder;
import org.springframework.jdbc.support.JdbcTransactionManager;

/**
 * A step of Spring Batch: pages are read, chunks of the same size written, one transaction each.
 */
final class SpringBatchWriter {

  private SpringBatchWriter() {}

  static Contender chunks(String name, Accounts accounts) {
    return new Contender(
        name,
        accounts.expected(),
        target -> {
          DataSource source = target.jdbc("");
          return () -> {
            // Nothing is kept of a run: the fastest there is.
            JobRepository runs = new ResourcelessJobRepository();
            JobParameters none = new JobParameters();
            JobInstance job = runs.createJobInstance("copy", none);
            JobExecution run = runs.createJobExecution(job, none, new ExecutionContext());
            StepExecution execution = runs.createStepExecution("copy", run);
            step(runs, source).execute(execution);
            if (execution.getStatus() != BatchStatus.COMPLETED) {
              throw new IllegalStateException(execution.getSummary());
            }
            return accounts.expected();
          };
        });
  }

  private static Step step(JobRepository runs, DataSource source) throws Exception {
    return new StepBuilder("copy", runs)
        .<Account, Account>chunk(Accounts.BATCH)
        .transactionManager(new JdbcTransactionManager(source))
        .reader(
            new JdbcPagingItemReaderBuilder<Account>()
                .name("accounts")
                .dataSource(source)
                .selectClause("SELECT id, email")
                .fromClause("FROM accounts")
                .sortKeys(Map.of("id", Order.ASCENDING))
                .pageSize(Accounts.BATCH)
                .rowMapper((row, number) -> new Account(row.getLong(1), row.getString(2)))
                .build())
        .writer(
            new JdbcBatchItemWriterBuilder<Account>()
                .dataSource(source)
                .sql("UPDATE accounts SET email_new = ? WHERE id = ?")
                .itemPreparedStatementSetter(
                    (account, statement) -> {
                      statement.setString(1, account.email());
                      statement.setLong(2, account.id());
                    })
                .build())
        .build();
  }
}
