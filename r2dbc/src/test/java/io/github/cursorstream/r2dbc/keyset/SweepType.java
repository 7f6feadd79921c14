package io.github.cursorstream.r2dbc.keyset;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.cursorstream.testing.TestPostgres;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * A key type, with values that are hard to render, to compare or to read back.
 *
 * @param name what its columns are called after
 * @param sql the type
 * @param since the first major version of PostgreSQL that has the type and its values
 * @param values SQL expressions, all different in text though perhaps equal in order
 */
record SweepType(String name, String sql, int since, List<String> values) {

  private static final int SERVER = TestPostgres.shared().majorVersion();

  private static SweepType type(String name, String sql, String... values) {
    return new SweepType(name, sql, 0, List.of(values));
  }

  private SweepType since(int version) {
    return new SweepType(name, sql, version, values);
  }

  /** With one more value, where the server reads it. */
  private SweepType and(int version, String value) {
    return SERVER < version
        ? this
        : new SweepType(
            name, sql, since, Stream.concat(values.stream(), Stream.of(value)).toList());
  }

  /** What the types below need. */
  static final List<String> DDL =
      List.of(
          "CREATE EXTENSION citext",
          "CREATE SCHEMA \"Odd \"\"Schema.\"",
          "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy', 'it''s \"odd\"')",
          "CREATE TYPE \"Odd \"\"Schema.\".\"My Mood;\" AS ENUM ('b', 'a', 'C')",
          "CREATE DOMAIN inner_domain AS numeric(12, 3) CHECK (VALUE > -100000)",
          "CREATE DOMAIN \"Outer Domain\" AS inner_domain CHECK (VALUE < 100000)",
          "CREATE DOMAIN long_text AS text COLLATE \"C\"",
          "CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2',"
              + " deterministic = false)");

  private static final List<SweepType> EVERY =
      List.of(
          type("int2", "smallint", "-32768", "0", "1", "32767"),
          type("int4", "integer", "-2147483648", "-1", "0", "2147483647"),
          type("int8", "bigint", "-9223372036854775808", "0", "9007199254740993", "2147483648"),
          type("numeric", "numeric", "1.10", "1.1", "-0.000000000000000000001", "1e30", "'NaN'"),
          type("numeric_inf", "numeric", "'Infinity'", "'-Infinity'", "'NaN'", "0", "0.00"),
          type("numeric_scale", "numeric(20,-2)", "12300", "-500", "100", "99999999999900")
              .since(15),
          type("float4", "real", "'0.1'", "'16777217'", "'-1e-30'", "'NaN'", "'Infinity'"),
          type("float8", "float8", "0.1", "0.30000000000000004", "0.3", "'NaN'", "'-Infinity'"),
          type("float8_zero", "float8", "'-0'", "0", "4.9e-324", "1.7976931348623157e308"),
          type("text", "text", "''", "'a'", "'A'", "'ä'", "'a b'", "E'\\n\\t\\\\'", "'''\"$1'"),
          type("varchar", "varchar(20)", "'a'", "'b '", "'b'", "'😀'", "'%s'"),
          type("char", "char(5)", "'a'", "'b'", "''", "'a b'", "'~'"),
          type("name", "name", "'pg'", "'\"Q\"'", "'z'", "'Z'"),
          type("citext", "citext", "'Anna'", "'anna'", "'BOB'", "'bob'", "'c'"),
          type("icu", "text COLLATE ignore_case", "'Anna'", "'anna'", "'ANNA'", "'bob'", "'Bo'"),
          type("collate_c", "text COLLATE \"C\"", "'B'", "'a'", "'b'", "'é'"),
          type("domain_c", "long_text", "'B'", "'a'", "'b'", "'é'"),
          type(
              "uuid",
              "uuid",
              "'00000000-0000-0000-0000-000000000000'",
              "'7fffffff-ffff-ffff-ffff-ffffffffffff'",
              "'80000000-0000-0000-0000-000000000000'",
              "'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
          type("bytea", "bytea", "''", "'\\x00'", "'\\x5c5c'", "'\\xff00'", "'\\x276122'"),
          type("boolean", "boolean", "true", "false"),
          type(
              "date",
              "date",
              "'2024-02-29'",
              "'0044-03-15 BC'",
              "'infinity'",
              "'-infinity'",
              "'5874897-12-31'",
              "'0012-11-10'"),
          type(
              "timestamp",
              "timestamp",
              "'2024-01-01 00:00:00.000001'",
              "'2024-01-01 00:00:00.000002'",
              "'4713-01-01 00:00:00 BC'",
              "'infinity'",
              "'294276-12-31 23:59:59.999999'"),
          type(
              "timestamptz",
              "timestamptz",
              "'2024-01-01 00:00:00.000001+00'",
              "'2024-10-27 02:30:00.123456+02'",
              "'2024-10-27 02:30:00.123456+01'",
              "'1850-01-01 00:00:00+00'",
              "'0044-03-15 12:00:00+00 BC'",
              "'-infinity'",
              "'294276-12-31 23:59:59.999999+00'"),
          type("time", "time", "'00:00'", "'24:00'", "'12:00:00.000001'", "'23:59:59.999999'"),
          type("timetz", "timetz", "'00:00+00'", "'05:30+05:30'", "'24:00-15:59:59'", "'12:00-3'"),
          type(
                  "interval",
                  "interval",
                  "'1 mon'",
                  "'30 days'",
                  "'-1 year 2 mons -3 days +04:05:06.789'",
                  "'1 year -1 day'",
                  "'-00:00:00.000001'",
                  "'178000000 years'",
                  "'-1 day -02:03:04'",
                  "'-1 day +02:03:04'")
              // 14 counts hours in 32 bits.
              .and(15, "'2562047788:00:54.775807'"),
          type("interval_inf", "interval", "'infinity'", "'-infinity'", "'0'", "'-1 mon +29 days'")
              .since(17),
          type("inet", "inet", "'10.0.0.1'", "'10.0.0.1/24'", "'::1'", "'255.255.255.255'"),
          type("cidr", "cidr", "'10.0.0.0/8'", "'10.0.0.0/24'", "'2001:db8::/32'"),
          type("macaddr", "macaddr", "'08:00:2b:01:02:03'", "'ff:ff:ff:ff:ff:ff'"),
          type("enum", "mood", "'happy'", "'sad'", "'it''s \"odd\"'", "'ok'"),
          type("odd_enum", "\"Odd \"\"Schema.\".\"My Mood;\"", "'a'", "'b'", "'C'"),
          type("domain", "\"Outer Domain\"", "1.5", "1.500", "-99999.999", "0"),
          type("quoted_char", "\"char\"", "'a'", "''", "'\\377'", "'Z'"),
          type("bit", "bit(3)", "B'101'", "B'000'", "B'111'"),
          type("varbit", "bit varying(8)", "B''", "B'1'", "B'10'", "B'0'", "B'01'"),
          type("oid", "oid", "0", "4294967295", "2147483648", "7"),
          type("xid8", "xid8", "'0'", "'18446744073709551615'", "'5'"),
          type("lsn", "pg_lsn", "'0/0'", "'16/B374D848'", "'FFFFFFFF/FFFFFFFF'"),
          type("tid", "tid", "'(0,1)'", "'(4294967295,65535)'", "'(10,2)'"),
          type(
              "jsonb",
              "jsonb",
              "'null'",
              "'{\"b\": 1.10, \"a\": [true, \"\\u00e9\"]}'",
              "'[]'",
              "'1.1'",
              "'\"x\"'"),
          type("tsvector", "tsvector", "'a b'", "'''it''''s'':1A'", "''"),
          type("money", "money", "12.34", "-92233720368547758.08", "0", "1234567.89"));

  /** Those that the server has. */
  static final List<SweepType> ALL = EVERY.stream().filter(type -> type.since <= SERVER).toList();

  /** Those of these names that the server has. */
  static List<SweepType> named(Set<String> names) {
    assertThat(EVERY).extracting(SweepType::name).containsAll(names);
    return ALL.stream().filter(type -> names.contains(type.name)).toList();
  }
}
