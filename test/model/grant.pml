/*
 * Copyright 2026 The Clientele Authors.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The life of a grant: redeemed, replayed, refreshed, retried, revoked, deleted by hand
 * and swept. README.md says what is checked and what is left out; the inlines have the
 * names of the verbs in authserver/store, as store/kube does them, or with ROWS as
 * store/postgres does.
 *
 * Every step is one request to the API server or the database taking effect, or one
 * answer arriving. Whoever does the next one may be arbitrarily late, or dead: a process
 * that never goes on is a replica that was killed. Replicas keep nothing of a grant, so
 * each request is a process of its own, on whichever replica.
 */

#ifndef ROWS
#define ROWS false /* PostgreSQL: a revoked grant's row stays as a tombstone; nobody deletes by hand */
#endif
#ifndef REDEEMERS
#define REDEEMERS 3 /* who present the same code, 3 at most: a client, its retry, a thief */
#endif
#ifndef REFRESHERS
#define REFRESHERS 2 /* who present refresh tokens, again and again */
#endif
#define TOKENS 3 /* refresh tokens that a grant gives, numbered as its counter counts */
#ifndef GRANT_END
#define GRANT_END 4 /* 1 is a grant that is over with its code */
#endif

/* Time in coarse ticks. A clock may be behind by SKEW, whichever is worse. */
#define CODE_END 1
#define SKEW 1
#define LATENESS 1 /* how long after it was sent a create may take effect */
#define TIME_ENDS (later(GRANT_END, CODE_END + LATENESS) + SKEW)

/* Each shortcut leaves out one rule, on the line that has its name. */
mtype = {
	NO_SHORTCUT,
	LOOK_THEN_CREATE,        /* a create that overwrites, after a look */
	REDEEM_ENDED_CODE,       /* without a look at the clock */
	TAKE_FOUND_FOR_OWN,      /* after a lost answer, whoever's attempt is found */
	RETRY_CREATE,            /* after a lost answer, and take "it exists" for success */
	FIND_WHAT_IS_DELETED,    /* after a lost answer, although it has been revoked since */
	LET_REPLAY_PASS,         /* refuse a replay, and revoke nothing */
	LET_REUSE_PASS,          /* the same for a refresh token */
	NO_TOMBSTONE,            /* revoke by deleting for good */
	TOMBSTONE_WHEN_REVOKING, /* and none for what is deleted by hand */
	SETTLE_AT_CODE_END,      /* as the sweeper's clock has it, and later creates may come */
	SETTLE_WITHOUT_SKEW,     /* as the sweeper's clock has it */
	SETTLE_WITHOUT_LATENESS, /* although a create may be under way */
	CREATE_WITHOUT_TIMEOUT,  /* so that it may take effect at any time */
	SWEEP_UNSETTLED,         /* what has expired, for good, although its code has not */
	READ_THEN_ADVANCE,       /* and write unconditionally */
	ADVANCE_UNSEEN,          /* without a look at whether what was advanced is deleted */
	GRACE_GIVES_ANOTHER,     /* a retry gets a next token of its own */
	GRACE_FOR_ANY_AGE        /* a retry with any old token */
};
#ifndef SHORTCUT
#define SHORTCUT NO_SHORTCUT
#endif
#define taking(shortcut) (SHORTCUT == shortcut)

#define bit(n) (1 << (n))
#define later(a, b) (a > b -> a : b)

byte time;

/* ---- the API server or the database ---- */

bool there;     /* the object or row, under the code's name */
bool held;      /* it has the finalizer */
bool deleted;   /* it has a deletionTimestamp; or the row is a tombstone */
byte counter;
byte attempt;   /* who wrote it: spec.redemption */

mtype = { unsent, underWay, created, exists, dropped };
mtype create[3] = unsent;
byte sent[3];   /* when */

/* ---- what must be true ---- */

byte winners;   /* redemptions that were acknowledged */
bool ended;     /* it was revoked, deleted by hand or swept */
byte given;     /* set of the refresh tokens that somebody was given */
byte advanced;  /* set of those that moved the counter on */
byte accepted;  /* set of those that were accepted, retries included */
bool foundOwn;  /* an answer was lost, and then found out */
byte next[TOKENS]; /* the token that was given for each */

#define lives (there && !deleted)
#define usable ((given & bit(counter)) || (counter > 0 && (given & bit(counter - 1))))

/* Where the model must be able to get to. */
#define wholeLife (winners && accepted == 3 && ended && !there && time == TIME_ENDS)
#define tombstoneHolds (winners && deleted && create[2] == exists)

inline check() {
	assert(!ended || !lives);                                           /* nothing lives after revocation */
	assert(!winners || ended || time >= GRANT_END || lives && usable);  /* what was acknowledged is not lost */
#ifdef GOAL
	assert(!GOAL);
#endif
}

inline acknowledge() {
	winners++;
	assert(winners == 1); /* one winner per code */
	given = given | bit(0);
	check()
}

/* accept: one live chain. A token that others have gone on from is refused, and one
 * that comes twice gives the same next one. */
inline accept(n, m) {
	assert(!ended);
	assert(!(accepted & ~(bit(n + 1) - 1)));
	assert(!(accepted & bit(n)) || next[n] == m);
	accepted = accepted | bit(n);
	next[n] = m
}

inline forget() {
	there = false; held = false; deleted = false; counter = 0; attempt = 0
}

/* delete is a revocation, an administrator's deletion, or the sweep of what expired. */
inline delete(byHand) {
	ended = ended || there;
	if
	:: !there
	:: there && (held || ROWS || taking(TOMBSTONE_WHEN_REVOKING) && !byHand) && !taking(NO_TOMBSTONE) -> deleted = true
	:: else -> forget()
	fi;
	check()
}

/* ---- Redeem ---- */

/* takeEffect is when the API server comes to a create: before or after whoever sent it
 * has given up waiting. */
inline takeEffect(i) { d_step {
	create[i] == underWay ->
	if
	:: !there || taking(LOOK_THEN_CREATE) ->
		there = true; held = !ROWS && !taking(TOMBSTONE_WHEN_REVOKING); deleted = false; counter = 0; attempt = i + 1;
		create[i] = created
	:: else -> create[i] = exists
	fi;
	sent[i] = 0;
	printf("store: create %d: %e\n", i, create[i]);
	check()
} }

proctype Redeemer(byte me) {
	/* The code is alive by this replica's clock. What has not begun LATENESS later will
	 * not be done. */
	d_step {
		(time < CODE_END + SKEW || taking(REDEEM_ENDED_CODE)) && (!taking(LOOK_THEN_CREATE) || !there) &&
		(me == 0 || create[me - 1] != unsent) -> /* whoever is first has the lower number */
		create[me] = underWay; sent[me] = time;
		printf("redeemer %d: sends\n", me)
	};
answer:	atomic {
		if
		:: create[me] == created -> d_step { printf("redeemer %d: is told of success\n", me); acknowledge() }; goto over
		:: create[me] == exists -> goto replay
		:: printf("redeemer %d: hears nothing\n", me) /* ever, or so far */
		fi
	};
	atomic {
		if
		:: taking(RETRY_CREATE) && there -> d_step { acknowledge() }; goto over
		:: there && (attempt == me + 1 && !(ROWS && counter) || taking(TAKE_FOUND_FOR_OWN)) &&
			(!deleted || taking(FIND_WHAT_IS_DELETED)) ->
			d_step { assert(!ended); printf("redeemer %d: finds its own\n", me); foundOwn = true; acknowledge() }; goto over
		:: !there -> printf("redeemer %d: finds nothing, and gives up\n", me); goto over
		:: else
		fi
	};
replay:	atomic {
		if
		:: taking(LET_REPLAY_PASS)
		:: else -> delete(false)
		fi;
		printf("redeemer %d: replay, revokes\n", me);
		assert(ended) /* what was presented twice gives nothing any more */
	};
over:	skip
}

/* ---- Advance ---- */

/* Any token that somebody was given may be presented at any time. When the request was
 * sent does not matter, nor when its answer arrives: what is given later could have been
 * given at once, and not been used. It may also never arrive. */
inline answer(m) {
	if
	:: given = given | bit(m)
	:: printf("refresher %d: the answer is lost\n", me)
	fi;
	check()
}

/* advance: the patch, or the update, is one step. */
inline advance(n) { atomic {
	(given & bit(n)) && there && !(ROWS && deleted) && (taking(READ_THEN_ADVANCE) -> found == n : counter == n) ->
	counter = n + 1;
	if
	:: deleted && !taking(ADVANCE_UNSEEN) -> printf("refresher %d: %d is revoked\n", me, n)
	:: else ->
		printf("refresher %d: advances %d\n", me, n);
		assert(!(advanced & bit(n))); /* one winner per token */
		advanced = advanced | bit(n);
		accept(n, n + 1);
		answer(n + 1)
	fi
} }

/* retry: it did not advance, was read, and is in its grace. (A read with no attempt to
 * advance before it is more than what happens.) */
inline retry(n) { atomic {
	(given & bit(n)) && lives && (counter == n + 1 || counter > n && taking(GRACE_FOR_ANY_AGE)) ->
	printf("refresher %d: retries %d\n", me, n);
	if
	:: taking(GRACE_GIVES_ANOTHER) && n + 2 < TOKENS -> counter = n + 2; accept(n, n + 2); answer(n + 2)
	:: else -> accept(n, n + 1); answer(n + 1)
	fi
} }

/* reuse: it was read, and its grace is over. Then it is revoked, or whoever was about to
 * do so dies. */
inline reuse(n) {
	atomic { (given & bit(n)) && lives && counter > n -> printf("refresher %d: reuse of %d\n", me, n) };
	atomic {
		if
		:: taking(LET_REUSE_PASS)
		:: else -> delete(false)
		fi;
		printf("refresher %d: refuses, and revokes\n", me);
		assert(ended) /* a token that was used twice gives nothing any more */
	}
}

proctype Refresher(byte me) {
	byte found; /* READ_THEN_ADVANCE: what the counter was at some time */
end:	do
	:: atomic { taking(READ_THEN_ADVANCE) && there && found != counter -> found = counter }
	:: advance(0)
	:: advance(1)
	:: retry(0)
	:: retry(1)
	:: reuse(0)
	:: reuse(1)
	od
}

/* ---- the sweeper, people and time ---- */

#define settledAt (CODE_END + \
	(taking(SETTLE_AT_CODE_END) || taking(SETTLE_WITHOUT_SKEW) -> 0 : SKEW) + \
	(taking(SETTLE_AT_CODE_END) || taking(SETTLE_WITHOUT_LATENESS) -> 0 : LATENESS))
#define sweptAt (taking(SWEEP_UNSETTLED) -> GRANT_END + SKEW : (ROWS -> later(GRANT_END + SKEW, settledAt) : GRANT_END + SKEW))

inline settle() { d_step {
	held && time >= settledAt ->
	held = false;
	if
	:: deleted -> forget()
	:: else
	fi;
	printf("sweeper: settle\n");
	check()
} }

inline sweep() { d_step {
	there && time >= sweptAt && (ROWS || !deleted || taking(SWEEP_UNSETTLED)) ->
	if
	:: ROWS || taking(SWEEP_UNSETTLED) -> ended = true; forget()
	:: else -> delete(true)
	fi;
	printf("sweeper: sweep\n");
	check()
} }

/* drop is the server-side timeout. */
#define drop(i) \
	if \
	:: create[i] == underWay && time > sent[i] + LATENESS && !taking(CREATE_WITHOUT_TIMEOUT) -> create[i] = dropped; sent[i] = 0 \
	:: else \
	fi

proctype World() {
end:	do
	:: takeEffect(0)
	:: takeEffect(1)
	:: takeEffect(2)
	:: settle()
	:: sweep()
	:: d_step { !ROWS && lives -> delete(true); printf("people: delete\n") }
	:: d_step {
		time < TIME_ENDS -> time++; drop(0); drop(1); drop(2);
		printf("time: %d\n", time);
		check()
	}
	od
}

init { atomic {
	run World();
	run Redeemer(0);
#if REDEEMERS > 1
	run Redeemer(1);
#endif
#if REDEEMERS > 2
	run Redeemer(2);
#endif
	run Refresher(0);
#if REFRESHERS > 1
	run Refresher(1)
#endif
} }
