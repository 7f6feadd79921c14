-- CursorStream's runs, version 1. Works as a migration of Flyway or Liquibase
-- (splitStatements:false) as it stands, or by PostgresRunStore.migrate().

CREATE SCHEMA IF NOT EXISTS cursorstream;

CREATE TABLE cursorstream.version (
  version int PRIMARY KEY,
  installed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO cursorstream.version (version) VALUES (1);

CREATE TABLE cursorstream.run (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  kind text NOT NULL,
  arguments text NOT NULL,
  state text NOT NULL CHECK (state IN ('HELD', 'ENQUEUED', 'RUNNING', 'PAUSING', 'PAUSED',
    'CANCELLING', 'CANCELLED', 'FAILED', 'SUCCEEDED')),
  batch_size int NOT NULL,
  consumers int NOT NULL,
  pause_ms bigint NOT NULL,
  rows_per_second double precision NOT NULL,
  attempts int NOT NULL,
  min_backoff_ms bigint NOT NULL,
  max_backoff_ms bigint NOT NULL,
  dead_letter_budget int NOT NULL,
  timeout_ms bigint NOT NULL,
  -- A name: it is not opened before the newest run of that name has succeeded.
  depends_on text,
  -- What the run's kind remembers from one conclusion to the next; NULL: it succeeds unasked.
  gate text,
  -- Where the work begins, again with each pass.
  start text,
  -- Everything up to the position is handed out; ends of further batches are known up to the tail.
  position text,
  tail text,
  upper text,
  ends text[] NOT NULL DEFAULT '{}',
  -- Ranges that are never handed out, in order, and how many of them the position has passed.
  skip_after text[] NOT NULL DEFAULT '{}',
  skip_upto text[] NOT NULL DEFAULT '{}',
  skips_passed int NOT NULL DEFAULT 0,
  in_flight int NOT NULL DEFAULT 0,
  waiting int NOT NULL DEFAULT 0,
  rows bigint NOT NULL DEFAULT 0,
  batches bigint NOT NULL DEFAULT 0,
  failures bigint NOT NULL DEFAULT 0,
  dead_letters int NOT NULL DEFAULT 0,
  -- Failures that count for the breaker, and the batches there were when it was last reset.
  strikes bigint NOT NULL DEFAULT 0,
  strikes_since bigint NOT NULL DEFAULT 0,
  error text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at timestamptz,
  ended_at timestamptz,
  -- How often a range was handed out. The index on its block leads, backwards, to the newest
  -- versions of the row first: under a snapshot that somebody holds, all of them are kept.
  claims bigint NOT NULL DEFAULT 0,
  block bigint GENERATED ALWAYS AS (claims / 64) STORED
) WITH (fillfactor = 20); -- updated with each batch: room for HOT updates
CREATE INDEX run_block ON cursorstream.run (id, block);
CREATE UNIQUE INDEX run_alive ON cursorstream.run (name, md5(arguments))
  WHERE state NOT IN ('CANCELLED', 'FAILED', 'SUCCEEDED');
CREATE INDEX run_newest ON cursorstream.run (name, id);

-- A consumer is a leased slot. Slots above the run's number of consumers stay, unused: a slot that
-- came back with its first epoch would let its former owner pass the fence.
CREATE TABLE cursorstream.consumer (
  run bigint NOT NULL REFERENCES cursorstream.run ON DELETE CASCADE,
  number int NOT NULL,
  owner text,
  epoch bigint NOT NULL DEFAULT 0,
  lease_until timestamptz NOT NULL DEFAULT clock_timestamp(), -- of a free one: since when it is
  serial bigint NOT NULL DEFAULT 0,
  after text,
  upto text,
  attempt int NOT NULL DEFAULT 0,
  -- The next ranges of this slot, and what it did since the run counted it last. Only a slot that
  -- holds a range has any.
  ahead_after text[] NOT NULL DEFAULT '{}',
  ahead_upto text[] NOT NULL DEFAULT '{}',
  rows bigint NOT NULL DEFAULT 0,
  batches bigint NOT NULL DEFAULT 0,
  counted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Whether people have said something to the run since its owner was last told of it.
  steered boolean NOT NULL DEFAULT false,
  -- In the key for the same reason as that of a run.
  block bigint GENERATED ALWAYS AS (serial / 32) STORED,
  PRIMARY KEY (run, number, block)
) WITH (fillfactor = 20);

-- Nodes that are there, by their own signs of life.
CREATE TABLE cursorstream.node (
  owner text PRIMARY KEY,
  kinds text[] NOT NULL,
  room int NOT NULL, -- the most slots it works on at a time
  seen_until timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Ranges to be done again.
CREATE TABLE cursorstream.waiting (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run bigint NOT NULL REFERENCES cursorstream.run ON DELETE CASCADE,
  after text,
  upto text NOT NULL,
  attempts int NOT NULL,
  not_before timestamptz NOT NULL DEFAULT '-infinity',
  -- Done when all else was handed out, as it has not the batch size that is asked for now.
  is_last boolean NOT NULL DEFAULT false
);
CREATE INDEX waiting_of_run ON cursorstream.waiting (run, id);

CREATE TABLE cursorstream.dead_letter (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run bigint NOT NULL REFERENCES cursorstream.run ON DELETE CASCADE,
  after text,
  upto text NOT NULL,
  "row" jsonb,
  error text NOT NULL,
  attempts int NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX dead_letter_of_run ON cursorstream.dead_letter (run, id);

CREATE TABLE cursorstream.event (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run bigint NOT NULL REFERENCES cursorstream.run ON DELETE CASCADE,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  type text NOT NULL,
  who text NOT NULL,
  detail text
);
CREATE INDEX event_of_run ON cursorstream.event (run, id);

-- How much of a run's log was told to the hooks of its kind. Only runs with hooks have a row.
CREATE TABLE cursorstream.telling (
  run bigint PRIMARY KEY REFERENCES cursorstream.run ON DELETE CASCADE,
  logged bigint NOT NULL DEFAULT 0,
  told bigint NOT NULL DEFAULT 0,
  attempt int NOT NULL DEFAULT 0,
  lease_until timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE INDEX telling_untold ON cursorstream.telling (run) WHERE told < logged;

-- Tells whoever listens that a run has changed: whatever is logged is, but for failed attempts.
-- NOTIFY makes commits wait for each other, so it must not come with every batch.
CREATE FUNCTION cursorstream.tell() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE cursorstream.telling SET logged = greatest(logged, NEW.id) WHERE run = NEW.run;
  PERFORM pg_notify('cursorstream', NEW.run::text);
  RETURN NULL;
END
$$;
CREATE TRIGGER tell AFTER INSERT ON cursorstream.event FOR EACH ROW
  WHEN (NEW.type NOT IN ('BATCH_FAILED', 'HOOK_FAILED')) EXECUTE FUNCTION cursorstream.tell();

-- With the range that comes next, if nothing comes in between. The run is left out if its owner knows
-- all that people have said to it.
CREATE TYPE cursorstream.lease AS (number int, epoch bigint, serial bigint, after text, upto text,
  attempt int, next_after text, next_upto text, run cursorstream.run);

-- Whose transaction works on a slot: a batch holds this lock, so that a node that takes the slot
-- over finds the backend, behind a transaction pooler too. Number 0 is that of whoever steers the run.
CREATE FUNCTION cursorstream.lock_key(p_run bigint, p_number int) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
  SELECT hashtextextended('cursorstream:' || p_run || ':' || p_number, 0)
$$;

-- Whether the run can be read as it is now, not as it was before the slot was locked: by a session
-- whose statements never have to be repeated, in a transaction, behind what was sent ahead.
CREATE FUNCTION cursorstream.reads_committed() RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT current_setting('transaction_isolation') = 'read committed'
    AND current_setting('default_transaction_isolation') = 'read committed'
$$;

-- Where the ranges at the end of what a slot has ahead begin, with no gap between them.
CREATE FUNCTION cursorstream.ahead_since(c cursorstream.consumer) RETURNS int
LANGUAGE sql IMMUTABLE AS $$
  SELECT max(n) FROM generate_subscripts(c.ahead_upto, 1) AS n
    WHERE n = 1 OR c.ahead_after[n] <> c.ahead_upto[n - 1]
$$;

-- A run with what its slots have done since it counted them last, and without what the last that was
-- handed out has ahead.
CREATE FUNCTION cursorstream.counted(r cursorstream.run) RETURNS cursorstream.run
LANGUAGE plpgsql STABLE AS $$
BEGIN
  SELECT r.rows + coalesce(sum(s.rows), 0), r.batches + coalesce(sum(s.batches), 0)
    INTO r.rows, r.batches FROM cursorstream.consumer AS s WHERE s.run = r.id;
  r.position := coalesce((SELECT s.ahead_after[cursorstream.ahead_since(s)]
    FROM cursorstream.consumer AS s
    WHERE s.run = r.id AND s.ahead_upto[cardinality(s.ahead_upto)] = r.position), r.position);
  RETURN r;
END
$$;

-- Puts the ranges that a slot has ahead among those that wait. Returns how many there are. The
-- caller counts them, under the run's lock, and takes them from the slot.
CREATE FUNCTION cursorstream.give_back(c cursorstream.consumer, p_last boolean) RETURNS int
LANGUAGE sql AS $$
  INSERT INTO cursorstream.waiting (run, after, upto, attempts, is_last)
    SELECT c.run, a.after, a.upto, 0, p_last
      FROM unnest(c.ahead_after, c.ahead_upto) WITH ORDINALITY AS a (after, upto, n) ORDER BY n;
  SELECT cardinality(c.ahead_upto);
$$;

-- Forgets how the work was cut, whose batch size is not asked for any more. What a slot has ahead is
-- cut again if nothing behind it was handed out, otherwise it is done last. Slots and run are locked.
CREATE FUNCTION cursorstream.cut_again(p_run bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  c cursorstream.consumer;
  v_since int;
BEGIN
  FOR c IN SELECT s.* FROM cursorstream.consumer AS s WHERE s.run = p_run AND s.ahead_upto <> '{}'
  LOOP
    v_since := cursorstream.ahead_since(c);
    UPDATE cursorstream.run SET position = c.ahead_after[v_since]
      WHERE id = p_run AND position = c.ahead_upto[cardinality(c.ahead_upto)];
    IF FOUND THEN
      c.ahead_after := c.ahead_after[:v_since - 1];
      c.ahead_upto := c.ahead_upto[:v_since - 1];
    END IF;
    UPDATE cursorstream.run SET waiting = waiting + cursorstream.give_back(c, true)
      WHERE id = p_run;
    UPDATE cursorstream.consumer SET ahead_after = '{}', ahead_upto = '{}'
      WHERE run = p_run AND number = c.number;
  END LOOP;
  UPDATE cursorstream.run SET ends = '{}', tail = position WHERE id = p_run;
END
$$;

-- Takes the next range for a slot that its caller has locked. Lock order everywhere: slots by
-- number, then the run. Unless that is the one foreseen, the serial leaves one out: a statement that
-- was sent ahead, for the range that would have come next, must not find its serial.
--
-- Whoever is fast is given several ranges at once, as many as it did in 50 ms, so that it need not
-- lock the run for each; but no more than its share of the ends that are known, or it would have
-- the last of them to itself. It is given more before it has none ahead.
--
-- A plan that was made when the tables were small is kept when they are not: no sequential scans.
CREATE FUNCTION cursorstream.next_range(c cursorstream.consumer, p_held int, p_rows bigint,
  p_done int, p_lease_ms bigint, p_foreseen boolean DEFAULT false) RETURNS cursorstream.lease
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  r cursorstream.run;
  w cursorstream.waiting;
  l cursorstream.lease;
  v_many int := 1;
  v_after text;
  v_upto text;
  v_attempt int := 0;
  v_foreseen boolean := false;
  v_freed int;
  v_before text;
  v_state text;
BEGIN
  c.rows := c.rows + p_rows;
  c.batches := c.batches + p_done;
  SELECT * INTO r FROM cursorstream.run WHERE id = c.run ORDER BY block DESC LIMIT 1 FOR UPDATE;
  v_before := r.state;
  v_state := r.state;
  r.in_flight := r.in_flight - p_held;
  IF r.state = 'RUNNING' AND c.number <= r.consumers THEN
    IF r.waiting > 0 THEN
      SELECT * INTO w FROM cursorstream.waiting
        WHERE run = c.run AND not_before <= clock_timestamp()
          -- The empty range is a conclusion to be drawn, when nothing else is left.
          AND (after IS DISTINCT FROM upto OR r.waiting = 1 AND r.in_flight = 0)
          AND (NOT is_last OR r.position IS NOT DISTINCT FROM r.upper)
        ORDER BY id LIMIT 1;
    END IF;
    IF w.id IS NOT NULL THEN
      DELETE FROM cursorstream.waiting WHERE id = w.id;
      r.waiting := r.waiting - 1;
      v_after := w.after;
      v_upto := w.upto;
      v_attempt := w.attempts + 1;
    ELSIF cardinality(c.ahead_upto) + cardinality(r.ends) > 0 THEN
      IF cursorstream.reads_committed() THEN
        v_many := greatest(1, least(cardinality(r.ends) / r.consumers, c.batches * 50
          / greatest(1, extract(epoch FROM clock_timestamp() - c.counted_at) * 1000)));
      END IF;
      v_foreseen := p_foreseen AND c.ahead_upto <> '{}';
      IF c.ahead_upto = '{}' OR v_many > 1 AND cardinality(c.ahead_upto) = 1 THEN
        c.ahead_after := array_append(c.ahead_after, r.position) || r.ends[1:v_many - 1];
        c.ahead_upto := c.ahead_upto || r.ends[1:v_many];
        r.position := r.ends[v_many];
        r.ends := r.ends[v_many + 1:];
      END IF;
      v_after := c.ahead_after[1];
      v_upto := c.ahead_upto[1];
      v_attempt := 1;
      c.ahead_after := c.ahead_after[2:];
      c.ahead_upto := c.ahead_upto[2:];
    ELSIF r.gate IS NOT NULL AND r.in_flight = 0 AND r.waiting = 0
        AND r.position IS NOT DISTINCT FROM r.upper THEN
      -- Everything is done. Whoever holds this empty range asks the run's kind if that is the end.
      v_after := r.upper;
      v_upto := r.upper;
      v_attempt := 1;
    END IF;
  END IF;
  IF v_upto IS NOT NULL THEN
    r.in_flight := r.in_flight + 1;
  ELSE
    r.waiting := r.waiting + cursorstream.give_back(c, false);
    c.ahead_after := '{}';
    c.ahead_upto := '{}';
  END IF;
  WHILE r.skips_passed < cardinality(r.skip_after)
      AND r.position IS NOT DISTINCT FROM r.skip_after[r.skips_passed + 1] LOOP
    r.skips_passed := r.skips_passed + 1;
    r.position := r.skip_upto[r.skips_passed];
    r.tail := r.position;
  END LOOP;
  IF r.in_flight = 0 THEN
    IF r.state = 'RUNNING' AND r.gate IS NULL AND r.waiting = 0
        AND r.position IS NOT DISTINCT FROM r.upper THEN
      v_state := 'SUCCEEDED';
    ELSIF r.state = 'PAUSING' THEN
      v_state := 'PAUSED';
    ELSIF r.state = 'CANCELLING' THEN
      v_state := 'CANCELLED';
    END IF;
  END IF;
  UPDATE cursorstream.run SET state = v_state, position = r.position, ends = r.ends,
      tail = r.tail, skips_passed = r.skips_passed,
      in_flight = r.in_flight, waiting = r.waiting, rows = rows + c.rows,
      batches = batches + c.batches, claims = claims + 1,
      ended_at = CASE WHEN v_state IN ('SUCCEEDED', 'CANCELLED') THEN clock_timestamp()
        ELSE ended_at END
    WHERE id = c.run AND block = r.block RETURNING * INTO r;
  l.run := r;
  IF v_state <> v_before THEN
    INSERT INTO cursorstream.event (run, type, who)
      VALUES (c.run, v_state, coalesce(c.owner, 'nobody'));
  END IF;
  -- One above the run's number of consumers is nobody's once it holds nothing.
  v_freed := (v_upto IS NULL AND c.number > r.consumers)::int;
  UPDATE cursorstream.consumer SET serial = serial + CASE WHEN v_foreseen THEN 1 ELSE 2 END,
      after = v_after, upto = v_upto, attempt = v_attempt, epoch = epoch + v_freed,
      ahead_after = c.ahead_after, ahead_upto = c.ahead_upto, rows = 0, batches = 0,
      counted_at = clock_timestamp(), steered = false,
      lease_until = CASE WHEN v_freed = 1 THEN clock_timestamp()
        ELSE clock_timestamp() + p_lease_ms * interval '1 ms' END
    WHERE run = c.run AND number = c.number AND block = c.block
    RETURNING number, epoch - v_freed, serial, after, upto, attempt, ahead_after[1],
      CASE WHEN cursorstream.reads_committed() THEN ahead_upto[1] END
    INTO l.number, l.epoch, l.serial, l.after, l.upto, l.attempt, l.next_after, l.next_upto;
  RETURN l;
END
$$;

-- The fence: locks the slot if it is still this owner's (epoch) and still holds this batch (serial).
CREATE FUNCTION cursorstream.fence(p_run bigint, p_number int, p_epoch bigint, p_serial bigint)
RETURNS cursorstream.consumer
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  c cursorstream.consumer;
BEGIN
  SELECT * INTO c FROM cursorstream.consumer
    WHERE run = p_run AND number = p_number AND block = p_serial / 32
      AND epoch = p_epoch AND serial = p_serial FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'consumer % of run % is not held any more', p_number, p_run
      USING ERRCODE = 'CS001';
  END IF;
  RETURN c;
END
$$;

-- Completes what a slot holds, if anything, and takes the next range. As long as a slot has more
-- than that ahead, and nobody steers the run, this is the fence as well, and nothing else is
-- written. Whoever steers marks the slots.
CREATE FUNCTION cursorstream.complete(p_run bigint, p_number int, p_epoch bigint, p_serial bigint,
  p_rows bigint, p_lease_ms bigint) RETURNS cursorstream.lease
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  c cursorstream.consumer;
  l cursorstream.lease;
  v_held int;
BEGIN
  UPDATE cursorstream.consumer SET serial = serial + 1, after = ahead_after[1],
      upto = ahead_upto[1], attempt = 1, ahead_after = ahead_after[2:],
      ahead_upto = ahead_upto[2:], rows = rows + p_rows, batches = batches + 1,
      lease_until = clock_timestamp() + p_lease_ms * interval '1 ms'
    WHERE run = p_run AND number = p_number AND block = p_serial / 32
      AND epoch = p_epoch AND serial = p_serial AND cardinality(ahead_upto) > 1 AND NOT steered
      AND (SELECT state FROM cursorstream.run WHERE id = p_run
        ORDER BY block DESC LIMIT 1) = 'RUNNING'
    RETURNING number, epoch, serial, after, upto, attempt, ahead_after[1],
      CASE WHEN cursorstream.reads_committed() THEN ahead_upto[1] END
    INTO l.number, l.epoch, l.serial, l.after, l.upto, l.attempt, l.next_after, l.next_upto;
  IF FOUND THEN
    RETURN l;
  END IF;
  c := cursorstream.fence(p_run, p_number, p_epoch, p_serial);
  v_held := (c.upto IS NOT NULL)::int;
  RETURN cursorstream.next_range(c, v_held, p_rows, v_held, p_lease_ms, true);
END
$$;

-- Does a batch that is one statement, and completes it. Dynamic, because ROW_COUNT is cheaper than to
-- count what a RETURNING returns. An index, and so a key, has at most 32 columns.
CREATE FUNCTION cursorstream.work(p_sql text, p_values text[], p_run bigint, p_number int,
  p_epoch bigint, p_serial bigint, p_lease_ms bigint) RETURNS cursorstream.lease
LANGUAGE plpgsql AS $$
DECLARE
  v_rows bigint;
BEGIN
  EXECUTE p_sql USING
    p_values[1], p_values[2], p_values[3], p_values[4], p_values[5], p_values[6], p_values[7], p_values[8],
    p_values[9], p_values[10], p_values[11], p_values[12], p_values[13], p_values[14], p_values[15], p_values[16],
    p_values[17], p_values[18], p_values[19], p_values[20], p_values[21], p_values[22], p_values[23], p_values[24],
    p_values[25], p_values[26], p_values[27], p_values[28], p_values[29], p_values[30], p_values[31], p_values[32],
    p_values[33], p_values[34], p_values[35], p_values[36], p_values[37], p_values[38], p_values[39], p_values[40],
    p_values[41], p_values[42], p_values[43], p_values[44], p_values[45], p_values[46], p_values[47], p_values[48],
    p_values[49], p_values[50], p_values[51], p_values[52], p_values[53], p_values[54], p_values[55], p_values[56],
    p_values[57], p_values[58], p_values[59], p_values[60], p_values[61], p_values[62], p_values[63], p_values[64];
  GET DIAGNOSTICS v_rows = ROW_COUNT;
  RETURN cursorstream.complete(p_run, p_number, p_epoch, p_serial, v_rows, p_lease_ms);
END
$$;

-- Adds ranges to be done again. The caller counts them, under the run's lock.
CREATE FUNCTION cursorstream.wait(p_run bigint, p_after text[], p_upto text[], p_attempts int[],
  p_delay_ms bigint[]) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO cursorstream.waiting (run, after, upto, attempts, not_before)
    SELECT p_run, a.after, a.upto, a.attempts, clock_timestamp() + a.delay_ms * interval '1 ms'
      FROM unnest(p_after, p_upto, p_attempts, p_delay_ms)
        WITH ORDINALITY AS a (after, upto, attempts, delay_ms, n) ORDER BY n
$$;

-- Completes a part of what a slot holds; the rest of it is to be done again.
CREATE FUNCTION cursorstream.complete_part(p_run bigint, p_number int, p_epoch bigint,
  p_serial bigint, p_rows bigint, p_after text[], p_upto text[], p_attempts int[],
  p_delay_ms bigint[], p_lease_ms bigint) RETURNS cursorstream.lease
LANGUAGE plpgsql AS $$
DECLARE
  c cursorstream.consumer;
  v_held int;
BEGIN
  c := cursorstream.fence(p_run, p_number, p_epoch, p_serial);
  v_held := (c.upto IS NOT NULL)::int;
  IF v_held = 1 THEN
    PERFORM FROM cursorstream.run WHERE id = p_run FOR UPDATE;
    PERFORM cursorstream.wait(p_run, p_after, p_upto, p_attempts, p_delay_ms);
    UPDATE cursorstream.run SET waiting = waiting + cardinality(p_upto) WHERE id = p_run;
  END IF;
  -- What did nothing but leave something is no batch.
  RETURN cursorstream.next_range(c, v_held, v_held * p_rows,
    v_held * (p_rows > 0)::int, p_lease_ms);
END
$$;

-- Refuses to complete a batch in another transaction than the one it began.
CREATE FUNCTION cursorstream.same_transaction(p_run bigint, p_number int, p_serial bigint)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('cursorstream.batch', true)
      IS DISTINCT FROM concat_ws(':', p_run, p_number, p_serial) THEN
    RAISE EXCEPTION 'the transaction of the batch was ended by its work'
      USING ERRCODE = 'CS002', HINT = 'The work must not send COMMIT or ROLLBACK.';
  END IF;
END
$$;

-- The same at the end of the batch's own transaction.
CREATE FUNCTION cursorstream.complete_in_transaction(p_run bigint, p_number int, p_epoch bigint,
  p_serial bigint, p_rows bigint, p_lease_ms bigint) RETURNS cursorstream.lease
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM cursorstream.same_transaction(p_run, p_number, p_serial);
  RETURN cursorstream.complete(p_run, p_number, p_epoch, p_serial, p_rows, p_lease_ms);
END
$$;

-- Ends a run of which everything is done, or lets it begin again where it started.
CREATE FUNCTION cursorstream.conclude(p_run bigint, p_number int, p_epoch bigint, p_serial bigint,
  p_state text, p_upper text, p_gate text, p_why text, p_lease_ms bigint)
RETURNS cursorstream.lease
LANGUAGE plpgsql AS $$
DECLARE
  c cursorstream.consumer;
  r cursorstream.run;
  v_held int;
BEGIN
  c := cursorstream.fence(p_run, p_number, p_epoch, p_serial);
  v_held := (c.upto IS NOT NULL)::int;
  SELECT * INTO r FROM cursorstream.run WHERE id = p_run FOR UPDATE;
  -- Dead letters may have been handed out again meanwhile.
  IF r.state = 'RUNNING' AND r.waiting = 0 AND r.in_flight = 1 THEN
    IF p_upper IS NOT NULL THEN
      DELETE FROM cursorstream.dead_letter WHERE run = p_run;
    END IF;
    UPDATE cursorstream.run SET state = p_state, gate = p_gate,
        upper = coalesce(p_upper, upper), ends = '{}',
        position = CASE WHEN p_upper IS NULL THEN position ELSE start END,
        tail = CASE WHEN p_upper IS NULL THEN tail ELSE start END,
        skips_passed = CASE WHEN p_upper IS NULL THEN skips_passed ELSE 0 END,
        dead_letters = CASE WHEN p_upper IS NULL THEN dead_letters ELSE 0 END,
        error = CASE WHEN p_state = 'FAILED' THEN p_why ELSE error END,
        ended_at = CASE WHEN p_state <> 'RUNNING' THEN clock_timestamp() END
      WHERE id = p_run;
    INSERT INTO cursorstream.event (run, type, who, detail)
      VALUES (p_run, CASE WHEN p_state = 'RUNNING' THEN 'BEGUN_AGAIN' ELSE p_state END, c.owner,
        p_why);
  END IF;
  RETURN cursorstream.next_range(c, v_held, 0, 0, p_lease_ms);
END
$$;

-- Puts away what a slot holds and could not do, and takes the next range.
CREATE FUNCTION cursorstream.fail(p_run bigint, p_number int, p_epoch bigint, p_serial bigint,
  p_error text, p_after text[], p_upto text[], p_attempts int[], p_delay_ms bigint[],
  p_dead_after text, p_dead_upto text, p_dead_row text, p_dead_error text, p_dead_attempts int, p_fatal boolean,
  p_lease_ms bigint) RETURNS cursorstream.lease
LANGUAGE plpgsql AS $$
DECLARE
  c cursorstream.consumer;
  r cursorstream.run;
  v_held int;
  v_dead int := 0;
  v_again int := cardinality(p_upto);
  v_fails boolean := p_fatal;
  -- Looking for a bad row by halving is no strike, or a few such rows would end the run.
  v_strike int := CASE WHEN cardinality(p_upto) > 1 THEN 0 ELSE 1 END;
  v_judged bigint;
BEGIN
  c := cursorstream.fence(p_run, p_number, p_epoch, p_serial);
  v_held := (c.upto IS NOT NULL)::int;
  SELECT * INTO r FROM cursorstream.run WHERE id = p_run FOR UPDATE;
  INSERT INTO cursorstream.event (run, type, who, detail)
    VALUES (p_run, 'BATCH_FAILED', c.owner, p_error);
  IF p_fatal OR p_dead_upto IS NOT NULL AND r.dead_letters >= r.dead_letter_budget THEN
    -- As a whole: a part that is put aside as well would be done twice after a retry.
    v_fails := true;
    v_again := v_held;
    IF v_held = 1 THEN
      INSERT INTO cursorstream.waiting (run, after, upto, attempts)
        VALUES (p_run, c.after, c.upto, c.attempt);
    END IF;
  ELSE
    PERFORM cursorstream.wait(p_run, p_after, p_upto, p_attempts, p_delay_ms);
    IF p_dead_upto IS NOT NULL THEN
      v_dead := 1;
      INSERT INTO cursorstream.dead_letter (run, after, upto, "row", error, attempts)
        VALUES (p_run, p_dead_after, p_dead_upto, p_dead_row::jsonb, p_dead_error, p_dead_attempts);
      INSERT INTO cursorstream.event (run, type, who, detail)
        VALUES (p_run, 'DEAD_LETTER', c.owner, p_dead_error);
    END IF;
  END IF;
  -- The breaker: more than half of at least 50 failed, since it began or was retried.
  v_judged := (cursorstream.counted(r)).batches - r.strikes_since + r.strikes + v_strike;
  v_fails := v_fails OR v_strike = 1 AND v_judged >= 50 AND 2 * (r.strikes + 1) > v_judged;
  v_fails := v_fails AND r.state = 'RUNNING';
  UPDATE cursorstream.run SET failures = failures + 1, strikes = strikes + v_strike,
      error = CASE WHEN state = 'FAILED' THEN error ELSE p_error END,
      dead_letters = dead_letters + v_dead, waiting = waiting + v_again,
      state = CASE WHEN v_fails THEN 'FAILED' ELSE state END,
      ended_at = CASE WHEN v_fails THEN clock_timestamp() ELSE ended_at END
    WHERE id = p_run;
  IF v_fails THEN
    INSERT INTO cursorstream.event (run, type, who, detail)
      VALUES (p_run, 'FAILED', c.owner, p_error);
  END IF;
  RETURN cursorstream.next_range(c, v_held, 0, 0, p_lease_ms);
END
$$;

-- Gives a slot back. What it holds is handed out again, as if it had not been begun.
CREATE FUNCTION cursorstream.release(p_run bigint, p_number int, p_epoch bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  c cursorstream.consumer;
  v_state text;
  v_again int;
BEGIN
  SELECT * INTO c FROM cursorstream.consumer
    WHERE run = p_run AND number = p_number AND epoch = p_epoch FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF c.upto IS NOT NULL THEN
    SELECT CASE WHEN in_flight > 1 THEN state WHEN state = 'PAUSING' THEN 'PAUSED'
        WHEN state = 'CANCELLING' THEN 'CANCELLED' ELSE state END INTO v_state
      FROM cursorstream.run WHERE id = p_run FOR UPDATE;
    INSERT INTO cursorstream.waiting (run, after, upto, attempts)
      VALUES (p_run, c.after, c.upto, c.attempt - 1);
    v_again := 1 + cursorstream.give_back(c, false);
    INSERT INTO cursorstream.event (run, type, who)
      SELECT p_run, v_state, c.owner FROM cursorstream.run WHERE id = p_run AND state <> v_state;
    UPDATE cursorstream.run SET in_flight = in_flight - 1, waiting = waiting + v_again,
        rows = rows + c.rows, batches = batches + c.batches, state = v_state,
        ended_at = CASE WHEN v_state = 'CANCELLED' AND state <> v_state THEN clock_timestamp()
          ELSE ended_at END
      WHERE id = p_run;
    PERFORM pg_notify('cursorstream', p_run::text); -- there is something to do
  END IF;
  -- A new epoch: a sign of life that is on its way must not bring the lease back.
  UPDATE cursorstream.consumer SET lease_until = clock_timestamp(), after = NULL, upto = NULL,
      ahead_after = '{}', ahead_upto = '{}', rows = 0, batches = 0, epoch = epoch + 1, serial = serial + 1
    WHERE run = p_run AND number = p_number;
END
$$;

-- How many slots somebody holds, of one run or of all.
CREATE FUNCTION cursorstream.held(p_owner text, p_run bigint) RETURNS bigint
LANGUAGE sql AS $$
  SELECT count(*) FROM cursorstream.consumer
    WHERE owner = p_owner AND lease_until > clock_timestamp() AND (p_run IS NULL OR run = p_run)
$$;

-- Whether another node that has room holds fewer slots of a run, by so many.
CREATE FUNCTION cursorstream.outdone(p_owner text, p_run bigint, p_kind text, p_by int)
RETURNS boolean
LANGUAGE sql AS $$
  SELECT EXISTS (SELECT FROM cursorstream.node AS n
    WHERE n.owner <> p_owner AND n.seen_until > clock_timestamp() AND p_kind = ANY (n.kinds)
      AND cursorstream.held(n.owner, p_run) + p_by <= cursorstream.held(p_owner, p_run)
      AND cursorstream.held(n.owner, NULL) < n.room)
$$;

-- A sign of life of a node. Returns a run of which it is to hand a slot back to another node.
CREATE FUNCTION cursorstream.attend(p_owner text, p_kinds text[], p_room int, p_time_ms bigint)
RETURNS SETOF bigint
LANGUAGE plpgsql AS $$
DECLARE
  n cursorstream.node;
  v_time interval := p_time_ms * interval '1 ms';
BEGIN
  SELECT * INTO n FROM cursorstream.node WHERE owner = p_owner;
  -- Nodes look oftener than they have to say that they live.
  IF n.owner IS NULL OR n.kinds <> p_kinds OR n.room <> p_room
      OR n.seen_until < clock_timestamp() + v_time * 0.7 THEN
    INSERT INTO cursorstream.node (owner, kinds, room, seen_until)
      VALUES (p_owner, p_kinds, p_room, clock_timestamp() + v_time)
      ON CONFLICT (owner) DO UPDATE SET kinds = EXCLUDED.kinds, room = EXCLUDED.room,
        seen_until = EXCLUDED.seen_until;
    IF n.owner IS NULL OR n.kinds <> p_kinds OR n.room <> p_room
        OR n.seen_until < clock_timestamp() THEN
      PERFORM pg_notify('cursorstream', '0'); -- there are others to share with
      DELETE FROM cursorstream.node WHERE owner IN (SELECT owner FROM cursorstream.node
        WHERE seen_until < clock_timestamp() - interval '1 hour' FOR UPDATE SKIP LOCKED);
    END IF;
  END IF;
  RETURN QUERY SELECT r.id FROM cursorstream.run AS r
    WHERE r.state = 'RUNNING' AND r.kind = ANY (p_kinds)
      AND cursorstream.outdone(p_owner, r.id, r.kind, 2)
    LIMIT 1;
END
$$;

-- A node takes no more work.
CREATE FUNCTION cursorstream.leave(p_owner text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM cursorstream.node WHERE owner = p_owner;
  IF FOUND THEN
    PERFORM pg_notify('cursorstream', '0');
  END IF;
END
$$;

-- Takes a slot that is free or lapsed, of a run that has something to do for it. A free one is left
-- for a second to nodes that hold fewer of that run.
CREATE FUNCTION cursorstream.take(p_owner text, p_kinds text[], p_lease_ms bigint)
RETURNS SETOF cursorstream.lease
LANGUAGE plpgsql AS $$
DECLARE
  c cursorstream.consumer;
  l cursorstream.lease;
  v_run cursorstream.run;
  v_holder int;
BEGIN
  -- Whoever's lease has run out inside a transaction holds row locks, perhaps of the slot itself.
  FOR v_holder IN
    SELECT h.pid FROM cursorstream.consumer AS s
      JOIN cursorstream.run AS r ON r.id = s.run AND r.kind = ANY (p_kinds)
      JOIN pg_locks AS h ON h.locktype = 'advisory' AND h.objsubid = 1 AND h.granted
        AND h.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (h.classid::bigint << 32) | h.objid::bigint = cursorstream.lock_key(s.run, s.number)
      WHERE s.upto IS NOT NULL AND s.lease_until < clock_timestamp()
        AND h.pid <> pg_backend_pid()
  LOOP
    BEGIN
      PERFORM pg_terminate_backend(v_holder);
    EXCEPTION WHEN insufficient_privilege THEN
      NULL; -- its own time-outs will end it
    END;
  END LOOP;
  -- What was left behind in a run that is to stop, or has failed, is not done any more, which needs
  -- nobody's code.
  FOR c IN
    SELECT s.* FROM cursorstream.consumer AS s JOIN cursorstream.run AS r ON r.id = s.run
      WHERE s.upto IS NOT NULL AND s.lease_until < clock_timestamp()
        AND r.state IN ('PAUSING', 'CANCELLING', 'FAILED')
      ORDER BY s.run, s.number FOR UPDATE OF s SKIP LOCKED
  LOOP
    PERFORM FROM cursorstream.run WHERE id = c.run FOR UPDATE; -- whose log is in order
    INSERT INTO cursorstream.event (run, type, who, detail)
      VALUES (c.run, 'TAKEN_OVER', p_owner, 'consumer ' || c.number || ' of ' || c.owner);
    UPDATE cursorstream.consumer SET owner = p_owner, attempt = attempt + 1
      WHERE run = c.run AND number = c.number;
    PERFORM cursorstream.release(c.run, c.number, c.epoch);
  END LOOP;
  SELECT s.* INTO c FROM cursorstream.consumer AS s JOIN cursorstream.run AS r ON r.id = s.run
    WHERE r.kind = ANY (p_kinds) AND s.lease_until < clock_timestamp() AND r.state = 'RUNNING'
      AND (s.upto IS NOT NULL
        OR s.number <= r.consumers
          AND (cardinality(r.ends) > 0 OR r.tail IS DISTINCT FROM r.upper
            -- Nothing is left, as after a pause behind the last batch: somebody has to say so.
            OR r.in_flight = 0 AND r.waiting = 0
            OR EXISTS (SELECT FROM cursorstream.waiting AS w
              WHERE w.run = r.id AND w.not_before <= clock_timestamp())))
      AND (s.upto IS NOT NULL OR s.lease_until < clock_timestamp() - interval '1 s'
        OR NOT cursorstream.outdone(p_owner, r.id, r.kind, 1))
    ORDER BY s.upto IS NULL, s.run, s.number LIMIT 1
    FOR UPDATE OF s SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF c.upto IS NOT NULL THEN
    PERFORM FROM cursorstream.run WHERE id = c.run FOR UPDATE; -- whose log is in order
    INSERT INTO cursorstream.event (run, type, who, detail)
      VALUES (c.run, 'TAKEN_OVER', p_owner, 'consumer ' || c.number || ' of ' || c.owner);
  END IF;
  UPDATE cursorstream.consumer AS s SET owner = p_owner, epoch = s.epoch + 1,
      attempt = CASE WHEN s.upto IS NULL THEN 0 ELSE s.attempt + 1 END,
      lease_until = clock_timestamp() + p_lease_ms * interval '1 ms'
    WHERE s.run = c.run AND s.number = c.number
    RETURNING s.* INTO c;
  IF c.upto IS NULL THEN
    l := cursorstream.next_range(c, 0, 0, 0, p_lease_ms);
  ELSE
    l.number := c.number;
    l.epoch := c.epoch;
    l.serial := c.serial;
    l.after := c.after;
    l.upto := c.upto;
    l.attempt := c.attempt;
    IF cursorstream.reads_committed() THEN
      l.next_after := c.ahead_after[1];
      l.next_upto := c.ahead_upto[1];
    END IF;
    SELECT r.* INTO v_run FROM cursorstream.run AS r WHERE r.id = c.run;
    l.run := v_run;
  END IF;
  RETURN NEXT l;
END
$$;

-- Takes the next event that is to be told to hooks, of a run of which nobody is telling one. A
-- run's events are written under its lock, so that their ids are in the order of their commits.
CREATE FUNCTION cursorstream.untold(p_kinds text[], p_lease_ms bigint)
RETURNS TABLE (telling int, event cursorstream.event, run cursorstream.run)
LANGUAGE plpgsql AS $$
DECLARE
  t cursorstream.telling;
BEGIN
  SELECT s.* INTO t FROM cursorstream.telling AS s JOIN cursorstream.run AS r ON r.id = s.run
    WHERE r.kind = ANY (p_kinds) AND s.told < s.logged AND s.lease_until < clock_timestamp()
    ORDER BY s.run LIMIT 1 FOR UPDATE OF s SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  SELECT e.* INTO event FROM cursorstream.event AS e WHERE e.run = t.run AND e.id > t.told
    AND e.type NOT IN ('BATCH_FAILED', 'HOOK_FAILED') ORDER BY e.id LIMIT 1;
  IF NOT FOUND THEN -- it is not kept any more
    UPDATE cursorstream.telling AS s SET told = logged WHERE s.run = t.run;
    RETURN;
  END IF;
  telling := t.attempt + 1;
  UPDATE cursorstream.telling AS s SET attempt = untold.telling,
      lease_until = clock_timestamp() + p_lease_ms * interval '1 ms' WHERE s.run = t.run;
  SELECT r.* INTO run FROM cursorstream.run AS r WHERE r.id = t.run;
  RETURN NEXT;
END
$$;

-- Goes on to the next event, unless somebody else has taken this one since.
CREATE FUNCTION cursorstream.told(p_run bigint, p_event bigint, p_attempt int, p_who text,
  p_error text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF p_error IS NOT NULL THEN
    PERFORM FROM cursorstream.run WHERE id = p_run FOR UPDATE; -- first, as whoever logs does
  END IF;
  UPDATE cursorstream.telling SET told = p_event, attempt = 0, lease_until = '-infinity'
    WHERE run = p_run AND told < p_event AND attempt = p_attempt;
  IF FOUND AND p_error IS NOT NULL THEN
    INSERT INTO cursorstream.event (run, type, who, detail)
      VALUES (p_run, 'HOOK_FAILED', p_who, p_error);
  END IF;
END
$$;

-- Forgets what ended longer ago, a limited amount at a time: what the log tells of ended runs, then
-- runs that are not the newest of their name, with all that is left of them. Returns how much.
CREATE FUNCTION cursorstream.purge(p_age_ms bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_before timestamptz := clock_timestamp() - p_age_ms * interval '1 ms';
  v_run bigint;
  v_gone bigint;
  v_rows bigint;
BEGIN
  DELETE FROM cursorstream.event WHERE id IN (
    SELECT e.id FROM cursorstream.event AS e JOIN cursorstream.run AS r ON r.id = e.run
      WHERE r.state IN ('CANCELLED', 'FAILED', 'SUCCEEDED') AND e.at < v_before
      LIMIT 1000 FOR UPDATE OF e SKIP LOCKED);
  GET DIAGNOSTICS v_gone = ROW_COUNT;
  FOR v_run IN
    SELECT r.id FROM cursorstream.run AS r
      WHERE r.state IN ('CANCELLED', 'SUCCEEDED') AND r.ended_at < v_before
        AND EXISTS (SELECT FROM cursorstream.run AS n WHERE n.name = r.name AND n.id > r.id)
      ORDER BY r.id LIMIT 100
  LOOP
    EXIT WHEN v_gone >= 1000;
    -- Its dead letters may be handed out again at this moment.
    PERFORM FROM cursorstream.consumer WHERE run = v_run ORDER BY number FOR UPDATE;
    PERFORM FROM cursorstream.run WHERE id = v_run AND state IN ('CANCELLED', 'SUCCEEDED')
      AND ended_at < v_before FOR UPDATE;
    CONTINUE WHEN NOT FOUND;
    DELETE FROM cursorstream.dead_letter WHERE id IN (
      SELECT id FROM cursorstream.dead_letter WHERE run = v_run LIMIT 1000);
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_gone := v_gone + v_rows;
    DELETE FROM cursorstream.waiting WHERE id IN (
      SELECT id FROM cursorstream.waiting WHERE run = v_run LIMIT 1000);
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_gone := v_gone + v_rows;
    EXIT WHEN v_gone >= 1000;
    DELETE FROM cursorstream.run WHERE id = v_run;
    v_gone := v_gone + 1;
  END LOOP;
  RETURN v_gone;
END
$$;
