package io.github.cursorstream.testing;

/**
 * What every {@link io.github.cursorstream.run.RunStore} has to pass: a test class implements this
 * and gives it the store. Each test works on runs of a kind and names of its own, so that one store
 * may serve them all, at the same time too.
 */
public interface RunStoreContract
    extends RunCreationContract,
        RunDependencyContract,
        RunVerbContract,
        RunTellingContract,
        RunHandOutContract,
        RunLeaseContract,
        RunChangeContract,
        RunFailureContract,
        RunRestContract,
        RunConclusionContract,
        RunMoveContract,
        RunDeadLetterContract,
        RunHintContract,
        RunPurgeContract,
        RunShareContract,
        RunRaceContract {}
