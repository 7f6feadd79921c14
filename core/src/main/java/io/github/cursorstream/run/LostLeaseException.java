package io.github.cursorstream.run;

/** The slot, or the batch in it, is not this owner's any more; whatever it did is undone. */
public final class LostLeaseException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  /**
   * For one lease.
   *
   * @param lease the lost one
   */
  public LostLeaseException(Lease lease) {
    super(
        "consumer "
            + lease.number()
            + " of run "
            + lease.run().id()
            + " with epoch "
            + lease.epoch()
            + " and batch "
            + lease.serial()
            + " required but another node has taken it, or it was completed already");
  }
}
