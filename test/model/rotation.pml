/*
 * Copyright 2026 The Clientele Authors.
 * SPDX-License-Identifier: Apache-2.0
 *
 * How a client secret changes, and how the manager learns that every replica of the
 * authserver accepts it. README.md says what is checked and what is left out; the
 * inlines have the names of the steps in controllers and authserver/registry/kube.
 *
 * Every step is one read or one write of the API server, so that whoever does the
 * next one may be arbitrarily late, replaced or dead by then. A write that conflicts
 * changes nothing, and is therefore no step.
 */

#ifndef N
#define N 2 /* secrets that managers mint, 3 at most; numbered in the order in which they are published */
#endif
#ifndef MANAGERS
#define MANAGERS 2 /* each believes to be the leader, always */
#endif
#ifndef REPLICAS
#define REPLICAS 1
#endif
#ifndef PEOPLE
#define PEOPLE true /* they delete and edit the app's Secret */
#endif
#ifndef VALVE
#define VALVE true /* managers may retire secrets that they never got to write */
#endif

/* Each shortcut leaves out one rule of the protocol, on the line that has its name. */
mtype = {
	NO_SHORTCUT,
	WRITE_SECRET_FIRST,         /* before the replicas have loaded the digest */
	UNCONDITIONAL_SECRET_WRITE, /* whatever the Secret's resourceVersion is */
	REUSE_PARKED,               /* write a parked secret that may have been superseded */
	DROP_OLD_EARLY,             /* before the overlap has passed */
	OVERLAP_FROM_PUBLISHING,    /* while the Secret still holds the old one */
	RETIRE_BY_SIGHT,            /* whatever a copy of the Secret does not hold */
	RETIRE_BY_COPY,             /* whatever stands before the digest of an old copy of the Secret */
	RETIRE_AT_ONCE,             /* while a create of an older one may be under way */
	FORGET_SUPERSEDED,          /* what never was in the Secret, at once */
	STALE_LEASES,               /* go by a list of Leases from before the digest was published */
	TRUST_LAPSED_LEASE,         /* go on without a replica that still believes to be current */
	READY_BEFORE_CATCHUP,       /* serve from whatever list came first */
	RESUME_BY_RENEWAL,          /* be current again as soon as the Lease is renewed */
	LEASE_AFTER_CATCHUP,        /* catch up first, then tell the manager to wait */
	READY_ON_WRITE,             /* claim Ready because the write returned */
	KEEP_SUPERSEDED             /* wait for ever to write a parked secret that is not the newest: breaks only progress */
};
#ifndef SHORTCUT
#define SHORTCUT NO_SHORTCUT
#endif
#define taking(shortcut) (SHORTCUT == shortcut)

/* ---- the API server ---- */

#define WITHOUT_VALUE 0 /* the app's Secret is there, with no client_secret or with none of ours */
#define ABSENT (N + 1)
byte secret = ABSENT;

byte version;        /* resourceVersion of the record */
byte newest;         /* the last digest in the record */
byte digests;        /* set of those in the record */
byte retired;        /* subset of those that have an end (Until) */

bool lease[2];       /* of each replica */
byte ack[2];         /* the version that the Lease claims to be loaded */

#define bit(d) (1 << (d))
#define before(d) (bit(d) - 1)
#define isValue(s) (s != WITHOUT_VALUE && s != ABSENT)
#define accepted(s) (isValue(s) && (digests & bit(s)) && !(retired & bit(s)))
#define behind(i, v) (lease[i] && ack[i] < v)

/* ---- what each one believes ---- */

byte seen[2] = ABSENT;   /* a manager's copy of the Secret, however old */
bool fresh[2];           /* the Secret still has the copy's resourceVersion, as a conditional write will find out */
byte parked[2];          /* minted, published, in the manager's memory only; 0 is none */
byte parkedVersion[2];   /* the record's version that added its digest */
bool awaited[2];         /* every live replica has loaded that version */
bool alone[2];           /* STALE_LEASES: there was no Lease when the copy was made */
bool confirmed[2];       /* parked was the newest digest not long ago, and after the copy was made */
byte over[2];            /* no digest before this one, save the copy's, can come into the Secret any more */

mtype = { out, joined, catchingUp, caughtUp, current };
mtype stage[2] = out;    /* a replica that is current refuses what it does not know; any other says 503 */
byte loaded[2];          /* the version that it serves by */
byte known[2];           /* the digests that it accepts */

/* ---- what must be true ---- */

byte held;     /* secrets that an app may present: the Secret holds them, or did within the overlap */
byte outlasts; /* secrets that the Secret held after their overlap had begun */
byte promised; /* the latest version for which Ready was claimed */

#define refuses(i) (stage[i] == current && (held & ~known[i]))
#define breaksPromise(i) (stage[i] == current && loaded[i] < promised)

inline check() {
	assert(!refuses(0) && !refuses(1));             /* invariant 3 */
	assert(!breaksPromise(0) && !breaksPromise(1)); /* invariant 4 */
#ifdef GOAL
	assert(!(secret == N && digests == bit(N) && stage[0] == current && known[0] == digests && promised == version));
#endif
}

#ifdef LIVENESS
bool calm; /* nobody crashes, is cut off, edits, or asks for a rotation any more */
#define restless (!calm)
#define settled (accepted(secret) && promised == version && stage[0] == current)
#define outOfSecrets (newest == N && parked[0] == 0 && parked[1] == 0 && !accepted(secret))
ltl recovers { [] (calm -> <> (settled || outOfSecrets)) }
#else
#define restless true
#endif

/* ---- manager ---- */

/* A write that is conditional on the Secret's version is lost once that changes. A
 * create is not: absence has no version. */
inline secretChanged() {
	fresh[0] = false; confirmed[0] = confirmed[0] && seen[0] == ABSENT;
	fresh[1] = false; confirmed[1] = confirmed[1] && seen[1] == ABSENT
}

inline unpark() {
	parked[me] = 0; parkedVersion[me] = 0; awaited[me] = false; confirmed[me] = false
}

/* retire gives digests an end. Their overlaps are over when a drop happens. */
#define retire(which) \
	outlasts = outlasts | ((which) & bit(secret)); \
	retired = retired | (which); version++

inline readSecret() { d_step {
	!fresh[me] ->
	seen[me] = secret; fresh[me] = true; confirmed[me] = false; over[me] = 0;
	alone[me] = taking(STALE_LEASES) && !lease[0] && !lease[1];
	printf("manager %d: readSecret: %d\n", me, secret)
} }

/* ensureCredentials and publishRegistration: what is minted has a number only once
 * its digest is in the record. The write is conditional on the record's version, so
 * it is as good as a read: the digest is the newest, and the copy of the Secret was
 * read before. */
inline publishRegistration() { d_step {
	parked[me] == 0 && newest < N && (restless || !accepted(seen[me])) ->
	newest++; version++; digests = digests | bit(newest);
	parked[me] = newest; parkedVersion[me] = version; confirmed[me] = fresh[me] || seen[me] == ABSENT;
	awaited[me] = alone[me];
	if
	:: taking(OVERLAP_FROM_PUBLISHING) -> retire(digests & before(newest) & ~retired)
	:: else
	fi;
	printf("manager %d: publishRegistration: %d in version %d\n", me, newest, version)
} }

/* awaitReplicas goes by a consistent list of Leases, begun after the publishing. */
inline awaitReplicas() { d_step {
	parked[me] && !awaited[me] &&
	(!behind(0, parkedVersion[me]) && !behind(1, parkedVersion[me]) || taking(WRITE_SECRET_FIRST)) ->
	awaited[me] = true; parkedVersion[me] = 0;
	printf("manager %d: awaitReplicas: all accept %d\n", me, parked[me])
} }

/* confirmNewest reads the record from the API server, after the Secret. */
inline confirmNewest() { d_step {
	awaited[me] && !confirmed[me] && (fresh[me] || seen[me] == ABSENT) &&
	(newest == parked[me] && !(retired & bit(newest)) || taking(REUSE_PARKED)) ->
	confirmed[me] = true;
	printf("manager %d: confirmNewest: %d\n", me, parked[me])
} }

inline writeSecret() { d_step {
	awaited[me] && (confirmed[me] && (seen[me] == ABSENT -> secret == ABSENT : fresh[me]) ||
		taking(UNCONDITIONAL_SECRET_WRITE)) ->
	secret = parked[me]; secretChanged(); unpark();
	held = held | bit(secret); outlasts = outlasts | (retired & bit(secret));
	printf("manager %d: writeSecret: %d\n", me, secret);
	check()
} }

/* forget is what a crash does to a parked secret; and what is no longer the newest
 * digest is forgotten on purpose. */
inline forget() { d_step {
	parked[me] && (restless || newest != parked[me] && !taking(KEEP_SUPERSEDED)) ->
	printf("manager %d: forget %d\n", me, parked[me]);
	unpark()
} }

/* expire is the passing of time: whatever of set m had confirmed, it has written by
 * now, or cannot any more. */
#define expire(m, set, also) confirmed[m] = confirmed[m] && !((set & bit(parked[m])) && also)

/* settle is the first half of retireOldCredentials. It reads the Secret from the API
 * server, when its digest was published so long ago that every create of an earlier
 * one has happened or failed: none was confirmed after that. An update of an earlier
 * one conflicts, however late it comes. */
inline settle() { d_step {
	isValue(seen[me]) && !over[me] && (digests & ~retired & before(seen[me])) && (digests & bit(seen[me])) &&
	(fresh[me] || taking(RETIRE_BY_COPY)) ->
	over[me] = seen[me];
	expire(0, before(over[me]), seen[0] == ABSENT && !taking(RETIRE_AT_ONCE));
	expire(1, before(over[me]), seen[1] == ABSENT && !taking(RETIRE_AT_ONCE));
	printf("manager %d: settle: nothing before %d can come back\n", me, over[me])
} }

#define unfinished (digests & ~retired & before(newest) & ~before((isValue(seen[me]) -> seen[me] + 1 : 0)))

/* settleAll is the same for secrets that were never written. It is the valve for a
 * manager that dies again and again between publishing and writing, and relies on
 * the age of the newest digest for updates, too. */
inline settleAll() { d_step {
	VALVE && !over[me] && unfinished && fresh[me] ->
	over[me] = newest;
	expire(0, before(newest), true);
	expire(1, before(newest), true);
	printf("manager %d: settleAll: nothing before %d can come\n", me, over[me])
} }

#define others (~bit(seen[me]) & ~bit(parked[me]))
#define superseded (digests & ~retired & \
	((over[me] -> before(over[me]) & ~bit(seen[me]) : 0) | \
	(taking(RETIRE_BY_SIGHT) && isValue(seen[me]) -> others : 0) | \
	(taking(FORGET_SUPERSEDED) && fresh[me] && isValue(seen[me]) -> others & ~before(seen[me]) : 0)))

/* retireOldCredentials may come long after settle, when the copy is old. */
inline retireOldCredentials() { d_step {
	superseded ->
	printf("manager %d: retireOldCredentials: copy %d\n", me, seen[me]);
	retire(superseded)
} }

/* dropOldCredentials happens when overlaps have passed. Apps have let go of their
 * secrets by then, unless the Secret has held them longer than the manager thought. */
inline dropOldCredentials() { atomic {
	if
	:: retired & bit(1) -> d = 1
	:: retired & bit(2) -> d = 2
#if N > 2
	:: retired & bit(3) -> d = 3
#endif
	fi;
	d_step {
		digests = digests & ~bit(d); retired = retired & ~bit(d); version++;
		if
		:: outlasts & bit(d) || taking(DROP_OLD_EARLY)
		:: else -> held = held & ~bit(d)
		fi;
		printf("manager %d: dropOldCredentials: %d\n", me, d);
		d = 0
	}
} }

#define smallest(a, b) (a < b -> a : b)
#define acknowledged (taking(READY_ON_WRITE) -> version : \
	(lease[0] && lease[1] -> smallest(ack[0], ack[1]) : (lease[0] -> ack[0] : (lease[1] -> ack[1] : 0))))

/* setConditions claims Ready for the latest version of the record that every live
 * replica has acknowledged. No manager's copy of the record allows a stronger claim. */
inline setConditions() { d_step {
	acknowledged > promised ->
	promised = acknowledged;
	printf("manager %d: setConditions: Ready for version %d\n", me, promised);
	check()
} }

proctype Manager(byte me) {
	byte d;
end:	do
	:: readSecret()
	:: publishRegistration()
	:: awaitReplicas()
	:: confirmNewest()
	:: writeSecret()
	:: forget()
	:: settle()
	:: settleAll()
	:: retireOldCredentials()
	:: dropOldCredentials()
	:: setConditions()
	od
}

/* ---- replica ---- */

/* load brings the replica from wherever it was to the latest version. That a version
 * arrives late is as if it had arrived in time and nothing had been done with it. */
inline load() { d_step {
	loaded[me] != version ->
	loaded[me] = version; known[me] = digests;
	if
	:: stage[me] == catchingUp -> stage[me] = caughtUp
	:: else
	fi;
	printf("replica %d: load version %d\n", me, version);
	check()
} }

inline acknowledge() { d_step {
	stage[me] != out && (ack[me] != loaded[me] || !lease[me]) ->
	ack[me] = loaded[me]; lease[me] = true;
	printf("replica %d: acknowledge version %d\n", me, loaded[me])
} }

/* lapse is when the replica could not renew its Lease for so long that the manager
 * might soon go on without it, or when it stops. */
inline lapse() { d_step {
	restless && stage[me] != out ->
	stage[me] = out;
	printf("replica %d: lapse\n", me)
} }

/* restart loses what was loaded; the Lease stays. */
inline restart() { d_step {
	restless && stage[me] == out && loaded[me] ->
	loaded[me] = 0; known[me] = 0;
	printf("replica %d: restart\n", me)
} }

/* bury is the manager's: it deletes the Lease of a replica that it has not heard of
 * for longer than the replica itself believes to be current. */
inline bury() { d_step {
	restless && lease[me] && (stage[me] == out || taking(TRUST_LAPSED_LEASE)) ->
	lease[me] = false; ack[me] = 0;
	printf("replica %d: bury: the manager deletes its Lease\n", me)
} }

/* join: from now on the manager waits. What it published before, while it did not
 * wait, the replica learns in catchUp. */
inline join() { d_step {
	stage[me] == out ->
	lease[me] = lease[me] || !taking(LEASE_AFTER_CATCHUP); ack[me] = (lease[me] -> loaded[me] : 0);
	stage[me] = (taking(RESUME_BY_RENEWAL) && loaded[me] -> current : joined);
	printf("replica %d: join with version %d\n", me, loaded[me]);
	check()
} }

/* catchUp is a consistent read of the records, made after the Lease was written. */
inline catchUp() { d_step {
	stage[me] == joined ->
	stage[me] = (loaded[me] == version || taking(READY_BEFORE_CATCHUP) -> caughtUp : catchingUp);
	printf("replica %d: catchUp to version %d\n", me, version)
} }

inline grant() { d_step {
	stage[me] == caughtUp ->
	stage[me] = current;
	printf("replica %d: grant: current with version %d\n", me, loaded[me]);
	check()
} }

proctype Replica(byte me) {
end:	do
	:: load()
	:: acknowledge()
	:: lapse()
	:: restart()
	:: bury()
	:: join()
	:: catchUp()
	:: grant()
	od
}

/* ---- people ---- */

proctype People() {
end:	do
	:: d_step { restless && PEOPLE && secret != ABSENT -> secret = ABSENT; secretChanged(); printf("people: delete\n") }
	:: d_step { restless && PEOPLE && isValue(secret) -> secret = WITHOUT_VALUE; secretChanged(); printf("people: edit\n") }
#ifdef LIVENESS
	:: calm = true; break
#endif
	od
}

init { atomic {
	run Manager(0);
	run Replica(0);
#if MANAGERS > 1
	run Manager(1);
#endif
#if REPLICAS > 1
	run Replica(1);
#endif
	run People()
} }
