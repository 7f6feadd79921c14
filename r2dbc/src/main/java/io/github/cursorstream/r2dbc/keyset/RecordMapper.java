package io.github.cursorstream.r2dbc.keyset;

import io.r2dbc.spi.Row;
import io.r2dbc.spi.RowMetadata;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Maps a row to a record, component by component, by column name. */
final class RecordMapper<T extends Record> implements Function<Row, T> {

  private final Class<T> type;
  private final RecordComponent[] components;
  private final Class<?>[] read;
  private final MethodHandle constructor;
  // Column indexes are the same for all rows of a result; replaced as a whole.
  private volatile @Nullable Indexes indexes;

  private record Indexes(RowMetadata metadata, List<Integer> columns) {}

  RecordMapper(Class<T> type) {
    this.type = Objects.requireNonNull(type, "type");
    this.components = type.getRecordComponents();
    Class<?>[] types =
        Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
    this.read =
        Arrays.stream(types)
            .map(t -> t.isEnum() ? String.class : MethodType.methodType(t).wrap().returnType())
            .toArray(Class<?>[]::new);
    try {
      var canonical = type.getDeclaredConstructor(types);
      canonical.setAccessible(true);
      this.constructor =
          MethodHandles.lookup()
              .unreflectConstructor(canonical)
              .asSpreader(Object[].class, types.length);
    } catch (ReflectiveOperationException | RuntimeException e) {
      throw new IllegalArgumentException(
          "a record whose constructor is accessible required but it was " + type, e);
    }
  }

  @Override
  public T apply(Row row) {
    List<Integer> columns = columns(row.getMetadata());
    @Nullable Object[] values = new Object[components.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = value(row, columns.get(i), i);
    }
    try {
      return type.cast(constructor.invoke(values));
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException("the constructor of " + type.getName() + " failed", e);
    }
  }

  private @Nullable Object value(Row row, int column, int i) {
    Object value = row.get(column, read[i]);
    Class<?> wanted = components[i].getType();
    if (value == null && wanted.isPrimitive()) {
      throw new IllegalStateException(
          "a value required for "
              + type.getSimpleName()
              + "."
              + components[i].getName()
              + ", which is a "
              + wanted
              + ", but the column is NULL; declare it as "
              + read[i].getSimpleName());
    }
    if (value == null || !wanted.isEnum()) {
      return value;
    }
    for (Object constant : wanted.getEnumConstants()) {
      if (((Enum<?>) constant).name().equalsIgnoreCase(value.toString())) {
        return constant;
      }
    }
    throw new IllegalStateException(
        "a constant of " + wanted.getName() + " required but the column holds " + value);
  }

  private List<Integer> columns(RowMetadata metadata) {
    Indexes known = indexes;
    if (known == null || known.metadata != metadata) {
      known = new Indexes(metadata, locate(metadata));
      indexes = known;
    }
    return known.columns;
  }

  private List<Integer> locate(RowMetadata metadata) {
    List<String> names = metadata.getColumnMetadatas().stream().map(c -> c.getName()).toList();
    return Arrays.stream(components).map(component -> locate(component.getName(), names)).toList();
  }

  private int locate(String component, List<String> names) {
    String snake = component.replaceAll("(?<=[a-z0-9])(?=[A-Z])", "_").toLowerCase(Locale.ROOT);
    for (String name : List.of(component, snake)) {
      if (names.contains(name)) {
        return names.indexOf(name);
      }
    }
    throw new IllegalStateException(
        "a column "
            + snake
            + " required for "
            + type.getSimpleName()
            + "."
            + component
            + " but there are "
            + names);
  }
}
