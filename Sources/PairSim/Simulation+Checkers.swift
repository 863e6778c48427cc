extension Simulation {
    static func standardCheckers() -> [any Checker] {
        [
            AtMostOneOpenGate(), EpochHasOneOwner(), NoWriteLostUnrecorded(),
            EqualPositionsAreEqualContent(), UnarmedNeverPromotes(), KeepsItsPromise(),
            GateMatchesHealth(), RelinquishedIsSilent(), MarkerAgreesWithRole(),
            PersistedBeforeSpoken(), ServesAgain(),
        ]
    }
}
